package conformance

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

func TestReference(t *testing.T) {
	t.Parallel()
	Log(t, func(testing.TB) carillon.Opener { return memory.Volatile() },
		WithSlowCommits(func(_ testing.TB, stall func()) carillon.Opener { return slowStore(stall, nil) }))
}

// TestSoundLogsPass has logs that use the freedom the port leaves them.
func TestSoundLogsPass(t *testing.T) {
	t.Parallel()
	for _, sound := range []struct {
		name    string
		open    LogOpener
		options []LogOption
	}{
		{name: "ends pages early", open: smallPages()},
		{name: "says that there is more when a page is full", open: alterPages(func(_ carillon.Query, limit int, page *carillon.Page) {
			page.More = page.More || len(page.Events) == limit
		})},
		{name: "searches a bounded stretch for each page", open: boundedSearch()},
		{name: "reads streams in small pieces", open: alter(func(log *altered) {
			log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
				return log.inner.ReadStream(ctx, stream, after, min(limit, 3))
			}
		})},
		{name: "fills in defaults", open: alterMessages(func(m *carillon.Message) {
			m.SchemaVersion = max(m.SchemaVersion, 1)
			m.ContentType = contentType(m)
		})},
		{name: "gives empty collections for none", open: alterRecorded(func(event *carillon.Recorded) {
			if len(event.Tags) == 0 {
				event.Tags = []carillon.Tag{}
			}
			if len(event.Headers) == 0 {
				event.Headers = map[string]string{}
			}
			if len(event.Payload) == 0 {
				event.Payload = []byte{}
			}
		})},
		{name: "commits although the context is cancelled", open: alter(func(log *altered) {
			log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
				return log.inner.Append(context.WithoutCancel(ctx), batch)
			}
		})},
		{name: "does not know about a cancelled append that took place", open: unknownOutcomes(true)},
		{name: "does not know about a cancelled append that did not take place", open: unknownOutcomes(false)},
		{name: "names the last event that matches", open: lastMatch()},
		{name: "lets readers wait for a commit", options: []LogOption{WithSlowCommits(readersWait)}},
		{name: "cannot list streams", open: func(testing.TB) carillon.Opener {
			return alterStore(func(_ *altered, s *store) { s.log = struct{ carillon.Log }{s.log} })
		}},
		{name: "keeps nothing", options: []LogOption{WithoutReopen()}, open: func(testing.TB) carillon.Opener {
			return openerFunc(func(ctx context.Context) (carillon.Store, error) { return memory.Volatile().Open(ctx) })
		}},
	} {
		t.Run(sound.name, func(t *testing.T) {
			t.Parallel()
			if sound.open == nil {
				sound.open = func(testing.TB) carillon.Opener { return memory.Volatile() }
			}
			Log(t, sound.open, append([]LogOption{WithSizes(testSizes())}, sound.options...)...)
		})
	}
}

// smallPages ends pages after a random number of events.
func smallPages() LogOpener {
	return alter(func(log *altered) {
		log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
			return log.inner.Read(ctx, query, after, min(limit, 1+rand.IntN(50)))
		}
	})
}

// boundedSearch looks at fifty events for each page, so that a page may be empty although there is more.
func boundedSearch() LogOpener {
	return alter(func(log *altered) {
		log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
			page, err := log.inner.Read(ctx, query, after, limit)
			if err != nil || page.Through-after <= 50 {
				return page, err
			}
			page.Through, page.More = after+50, true
			page.Events = slices.DeleteFunc(page.Events, func(event carillon.Recorded) bool { return event.Position > page.Through })
			return page, nil
		}
	})
}

// unknownOutcomes does not know what became of an append whose context was cancelled.
func unknownOutcomes(committed bool) LogOpener {
	return alter(func(log *altered) {
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			if ctx.Err() == nil {
				return log.inner.Append(ctx, batch)
			}
			if committed {
				if _, err := log.inner.Append(context.WithoutCancel(ctx), batch); err != nil {
					return nil, err
				}
			}
			return nil, &carillon.OutcomeUnknownError{EventID: batch[0].Events[0].ID, Cause: ctx.Err()}
		}
	})
}

// lastMatch names the last of several matching events in a conflict, of those before the batch.
func lastMatch() LogOpener {
	return alter(func(log *altered) {
		var lock sync.Mutex
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			lock.Lock()
			defer lock.Unlock()
			head, err := log.inner.Head(ctx)
			if err != nil {
				return nil, err
			}
			verdicts, err := log.inner.Append(ctx, batch)
			for i := range verdicts {
				conflict, ok := errors.AsType[*carillon.ConflictError](verdicts[i].Err)
				if !ok || conflict.Guard != carillon.GuardCondition {
					continue
				}
				done := context.WithoutCancel(ctx) // what was appended was appended, whoever stops waiting
				events, _, err := walk(done, log.inner, batch[i].Condition.Query, batch[i].Condition.After, 1000)
				if err != nil {
					return nil, err
				}
				last := conflict.Position
				for _, event := range events {
					if event.Position <= head {
						last = max(last, event.Position)
					}
				}
				verdicts[i].Err = &carillon.ConflictError{Guard: conflict.Guard, Position: last}
			}
			return verdicts, err
		}
	})
}

// readersWait is a store with slow commits whose readers wait for them.
func readersWait(_ testing.TB, stall func()) carillon.Opener {
	return slowStore(stall, func(log *altered, _ *store, lock *sync.Mutex) {
		wait := func() {
			lock.Lock()
			defer lock.Unlock()
		}
		log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
			wait()
			return log.inner.Read(ctx, query, after, limit)
		}
		log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
			wait()
			return log.inner.ReadStream(ctx, stream, after, limit)
		}
		log.head = func(ctx context.Context) (carillon.Position, error) {
			wait()
			return log.inner.Head(ctx)
		}
		log.command = func(ctx context.Context, id string) (carillon.CommandRecord, error) {
			wait()
			return log.inner.Command(ctx, id)
		}
	})
}

func TestChecksThatCannotBeMadeSaySo(t *testing.T) {
	t.Parallel()
	noLister := func(testing.TB) carillon.Opener {
		return alterStore(func(_ *altered, s *store) { s.log = struct{ carillon.Log }{s.log} })
	}
	for _, tt := range []struct {
		check   string
		open    LogOpener
		options []LogOption
	}{
		{check: "slow commits"},
		{check: "slow commits cancelled"},
		{check: "slow commits and close"},
		{check: "reopen", options: []LogOption{WithoutReopen()}},
		{check: "stream names", open: noLister},
	} {
		t.Run(tt.check, func(t *testing.T) {
			t.Parallel()
			if tt.open == nil {
				tt.open = func(testing.TB) carillon.Opener { return memory.Volatile() }
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := named(t, tt.check).against(ctx, t, tt.open, testSettings(t, tt.options...))
			if reason, skipped := errors.AsType[skip](err); !skipped || reason == "" {
				t.Errorf("got %v, want a reason to skip", err)
			}
		})
	}
}
