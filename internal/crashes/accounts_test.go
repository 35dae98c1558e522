//go:build unix

package crashes_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/projection"
)

const depositedType = "account.deposited"

// deposited is part of the Nth append of an account.
type deposited struct {
	Account string `json:"account"`
	N       int64  `json:"n"`
	Part    int    `json:"part"`
}

// total tells how many events were folded, and which in what order: a lost, repeated or swapped one makes it another.
type total struct {
	Events int64  `json:"events"`
	Digest uint64 `json:"digest"`
}

func (s total) add(e deposited) total {
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%x/%s/%d/%d", s.Digest, e.Account, e.N, e.Part)
	return total{Events: s.Events + 1, Digest: hash.Sum64()}
}

// bucket is a key that events of many streams share.
func (e deposited) bucket() string {
	hash := fnv.New32a()
	_, _ = fmt.Fprintf(hash, "%s/%d", e.Account, e.N)
	return strconv.Itoa(int(hash.Sum32() % 61))
}

// models are the read models by name. meet is called for every event that one folds.
func models(meet func(deposited)) map[string]*projection.Model[total] {
	fold := func(s total, e deposited) total {
		meet(e)
		return s.add(e)
	}
	return map[string]*projection.Model[total]{
		"accounts": projection.Keyed("accounts", projection.On(depositedType, fold)),
		"buckets":  projection.Keyed("buckets", projection.By(depositedType, deposited.bucket, fold)),
	}
}

// deposit is an append of some events.
func deposit(account string, n int64, parts int) carillon.Append {
	a := carillon.Append{Stream: "account-" + account, Expect: carillon.AnyVersion()}
	for part := range parts {
		payload := fmt.Appendf(nil, `{"account":%q,"n":%d,"part":%d}`, account, n, part)
		a.Events = append(a.Events, carillon.Message{Type: depositedType, Key: account, Payload: payload})
	}
	return a
}

// history is the log, decoded and checked: positions without holes, versions without holes.
func history(t testing.TB, store carillon.Store) []deposited {
	t.Helper()
	var events []deposited
	versions := make(map[string]int64)
	for after, more := carillon.Position(0), true; more; {
		page, err := store.Log().Read(t.Context(), carillon.AllEvents(), after, 5000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			recorded := &page.Events[i]
			versions[recorded.Stream]++
			if recorded.Position != carillon.Position(len(events)+1) || recorded.Version != versions[recorded.Stream] {
				t.Fatalf("event %d of the log has position %d, and version %d, not %d, of %s",
					len(events)+1, recorded.Position, recorded.Version, versions[recorded.Stream], recorded.Stream)
			}
			var e deposited
			if err := codec.JSON().Decode(recorded.Payload, &e); err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		after, more = page.Through, page.More
	}
	return events
}

// folded are the rows that a model must have.
func folded(name string, events []deposited) map[string]total {
	rows := make(map[string]total)
	for _, e := range events {
		key := e.Account
		if name == "buckets" {
			key = e.bucket()
		}
		rows[key] = rows[key].add(e)
	}
	return rows
}

// difference compares a model's rows with the fold of the log; it is empty when they are equal.
func difference(t testing.TB, store *postgres.Store, name string, events []deposited) string {
	t.Helper()
	got := make(map[string]total)
	view := projection.NewView(models(func(deposited) {})[name], store.ReadModels(), codec.JSON())
	for entry, err := range view.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Key] = entry.State
	}
	return cmp.Diff(folded(name, events), got)
}

// slowest is the lowest checkpoint of a model's segments, and whether each stands at or before the head.
func slowest(ctx context.Context, store carillon.Store, name string, segments int) (carillon.Position, error) {
	head, err := store.Log().Head(ctx)
	if err != nil {
		return 0, err
	}
	lowest := head
	for segment := range segments {
		_, at, err := store.ReadModels().Row(ctx, carillon.ModelRef{Name: name, Segment: segment}, "")
		if err != nil && !errors.Is(err, carillon.ErrNotFound) {
			return 0, err
		}
		if at > head {
			// The head was read first, so the checkpoint may be ahead of it, not of the log as it is now.
			if head, err = store.Log().Head(ctx); err == nil && at > head {
				err = fmt.Errorf("segment %d of %s is at %d, beyond the log's head %d: %w", segment, name, at, head, carillon.ErrCorrupt)
			}
			if err != nil {
				return 0, err
			}
		}
		lowest = min(lowest, at)
	}
	return lowest, nil
}

// caughtUp waits until every segment of a job's models has come to the head, and compares the rows.
func (j job) caughtUp(t testing.TB, store *postgres.Store) {
	t.Helper()
	head, err := store.Log().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range j.Models {
		processes.Await(t, name+" catches up", func() bool {
			at, err := slowest(t.Context(), store, name, j.Segments)
			if errors.Is(err, carillon.ErrCorrupt) {
				t.Fatal(err)
			}
			return err == nil && at >= head
		})
	}
	events := history(t, store)
	for _, name := range j.Models {
		if diff := difference(t, store, name, events); diff != "" {
			t.Errorf("read model %s is not the fold of the log (-want +got):\n%s", name, diff)
		}
	}
}

// logOf is a log to append a few events through.
func logOf(store carillon.Store) *eventlog.Log { return eventlog.New(store.Log()) }
