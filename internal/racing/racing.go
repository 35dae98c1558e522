// Package racing runs decisions of many processes against one another, for the tests of examples.
package racing

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/sourcing"
)

// stores are what races are run on.
func stores() map[string]func(t testing.TB) carillon.Opener {
	return map[string]func(t testing.TB) carillon.Opener{
		"memory": func(testing.TB) carillon.Opener { return memory.Volatile() },
		"sqlite": func(t testing.TB) carillon.Opener { return sqlite.File(filepath.Join(t.TempDir(), "race.db")) },
		"postgres": func(t testing.TB) carillon.Opener {
			url := backends.Variable(t, backends.Postgres)
			return postgres.URL(url, postgres.Schema(backends.Schema(t, url)))
		},
	}
}

// OnEachStore runs a race on a log of every store. It runs it a second time, as the control, on a log that drops the conditions of
// appends.
func OnEachStore(t *testing.T, run func(t testing.TB, log carillon.Log, guarded bool)) {
	t.Helper()
	for name, opener := range stores() {
		for _, guarded := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, guarded %t", name, guarded), func(t *testing.T) {
				t.Parallel()
				store, err := opener(t).Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := store.Close(); err != nil {
						t.Error(err)
					}
				})
				log := store.Log()
				if !guarded {
					log = unguarded{log}
				}
				run(t, log, guarded)
			})
		}
	}
}

// unguarded is a log that drops the conditions of appends.
type unguarded struct{ carillon.Log }

func (u unguarded) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	batch = slices.Clone(batch)
	for i := range batch {
		batch[i].Condition = nil
	}
	return u.Log.Append(ctx, batch)
}

// Run handles every command in a process of its own. All of them have read and decided before the first one appends. It returns
// the commands that were accepted.
func Run[S any](t testing.TB, log carillon.Log, decider *sourcing.Decider[S], commands []any) (accepted []any) {
	t.Helper()
	var decided, running sync.WaitGroup
	var mu sync.Mutex
	decided.Add(len(commands))
	for _, command := range commands {
		process := &starting{Log: log, all: &decided}
		bound, err := sourcing.Bind(decider, sourcing.Runtime{Log: eventlog.New(process)})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			defer process.arrive()
			err := carillon.ErrConflict
			for errors.Is(err, carillon.ErrConflict) { // others were faster ten times in a row: its sender tries again
				_, err = bound.Handle(t.Context(), &carillon.Message{Kind: carillon.KindCommand, Time: Noon(), Value: command})
			}
			switch {
			case err == nil:
				mu.Lock()
				defer mu.Unlock()
				accepted = append(accepted, command)
			case !errors.Is(err, carillon.ErrRejected):
				t.Errorf("%+v: %v", command, err)
			}
		})
	}
	running.Wait()
	return accepted
}

// starting holds a process's first append until all others have decided, too.
type starting struct {
	carillon.Log
	once sync.Once
	all  *sync.WaitGroup
}

func (s *starting) arrive() { s.once.Do(s.all.Done) }

func (s *starting) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	s.arrive()
	s.all.Wait()
	return s.Log.Append(ctx, batch)
}

// History is all that happened, in order.
func History(t testing.TB, log carillon.Log) []carillon.Recorded {
	t.Helper()
	page, err := log.Read(t.Context(), carillon.AllEvents(), 0, 10_000)
	if err != nil || page.More {
		t.Fatal(page.More, err)
	}
	return page.Events
}

// Noon is the moment of every command.
func Noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }
