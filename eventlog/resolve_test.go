package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

func TestCancelledWhileQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, hold := newPort(), newGate()
		p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			hold.pass()
			return p.Log.Append(ctx, batch)
		}
		log := eventlog.New(p)
		leader := start(t.Context(), log, one("s", "leader"))
		hold.reached()
		ctx, cancel := context.WithCancel(t.Context())
		queued := start(ctx, log, one("s", "queued"))
		synctest.Wait()
		cancel()
		synctest.Wait()
		if pending(queued) {
			t.Fatal("it waits on although its context has ended")
		}
		if got := <-queued; !errors.Is(got.err, context.Canceled) || errors.Is(got.err, carillon.ErrOutcomeUnknown) {
			t.Errorf("error %v, want that of the context", got.err)
		}
		hold.release()
		if got := <-leader; got.err != nil {
			t.Error(got.err)
		}
		if head, _ := log.Head(t.Context()); head != 1 {
			t.Errorf("the log has %d events, want the leader's alone", head)
		}
	})
}

func TestCancelledBeforeItBegins(t *testing.T) {
	t.Parallel()
	p := newPort()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := eventlog.New(p).Append(ctx, one("s", "1")); !errors.Is(err, context.Canceled) || p.appends.Load() != 0 {
		t.Errorf("error %v after %d commits", err, p.appends.Load())
	}
}

// TestALeaderSeesItsCommitThrough: a leader works for others too, so its context does not reach the commit.
func TestALeaderSeesItsCommitThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, hold := newPort(), newGate()
		p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			hold.pass()
			return p.Log.Append(ctx, batch)
		}
		log := eventlog.New(p)
		ctx, cancel := context.WithCancel(t.Context())
		leader := start(ctx, log, one("s", "leader"))
		hold.reached()
		cancel()
		synctest.Wait()
		hold.release()
		if got := <-leader; got.err != nil || got.appended.First != 1 {
			t.Errorf("%+v, error %v", got.appended, got.err)
		}
	})
}

// inFlight gets one append cancelled while its batch is being committed by another caller, and returns what it was told. The
// commit then goes on, and ends when hold is released.
func inFlight(t *testing.T, log *eventlog.Log, hold *gate) *carillon.OutcomeUnknownError {
	t.Helper()
	start(t.Context(), log, one("s", "first"))
	hold.reached()
	start(t.Context(), log, one("s", "leader"))
	synctest.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	a := one("s", "a")
	a.Events = append(a.Events, events("b", "c")...)
	follower := start(ctx, log, a)
	synctest.Wait()
	hold.release()
	hold.reached()
	cancel()
	synctest.Wait()
	if pending(follower) {
		t.Fatal("it waits on although its context has ended")
	}
	got := <-follower
	unknown, ok := errors.AsType[*carillon.OutcomeUnknownError](got.err)
	if !ok || !errors.Is(got.err, context.Canceled) {
		t.Fatalf("error %v, want an unknown outcome because of the context", got.err)
	}
	return unknown
}

// resolve resolves on another goroutine.
func resolve(ctx context.Context, log *eventlog.Log, unknown error) <-chan outcome {
	result := make(chan outcome, 1)
	go func() {
		appended, err := log.Resolve(ctx, unknown)
		result <- outcome{appended, err}
	}()
	return result
}

func TestResolve(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fail error
		want carillon.Appended
	}{
		{"the commit succeeds", nil, carillon.Appended{First: 103, Last: 105, Version: 105}},
		{"the commit fails", errBroken, carillon.Appended{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, hold := newPort(), newGate()
				p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					hold.pass()
					if len(batch) > 1 && test.fail != nil {
						return nil, test.fail
					}
					return p.Log.Append(ctx, batch)
				}
				fill(t, p.Log, 100)
				log := eventlog.New(p)
				unknown := inFlight(t, log, hold)
				if unknown.After != 100 || unknown.EventID != "a" || unknown.Events != 3 {
					t.Errorf("it asks for %d events from %q after %d", unknown.Events, unknown.EventID, unknown.After)
				}
				resolving := resolve(t.Context(), log, fmt.Errorf("open account: %w", unknown))
				hasty, cancel := context.WithCancel(t.Context())
				abandoned := resolve(hasty, log, unknown)
				synctest.Wait()
				if !pending(resolving) || !pending(abandoned) {
					t.Fatal("it does not wait for the commit under way")
				}
				cancel()
				if got := <-abandoned; !errors.Is(got.err, context.Canceled) {
					t.Errorf("resolving with an ended context: %v", got.err)
				}
				hold.release()
				want := test.fail
				if want != nil {
					want = carillon.ErrNotFound
				}
				if got := <-resolving; got.appended != test.want || !errors.Is(got.err, want) {
					t.Errorf("resolved as %+v, error %v, want %+v and %v", got.appended, got.err, test.want, want)
				}
				if p.questions.Load() == 0 {
					t.Error("the store was not asked to settle what it left open")
				}
				if got, err := log.Resolve(t.Context(), unknown); got != test.want || !errors.Is(err, want) {
					t.Errorf("resolved again as %+v, error %v", got, err)
				}
			})
		})
	}
}

// TestResolveBesideAFollower: a follower has read the events, so the head stands behind them, before the caller loses patience.
func TestResolveBesideAFollower(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, hold := newPort(), newGate()
		p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			verdicts, err := p.Log.Append(ctx, batch)
			hold.pass() // the answer comes late
			return verdicts, err
		}
		log := eventlog.New(p, eventlog.PollEvery(time.Millisecond))
		following, stop := context.WithCancel(t.Context())
		defer stop()
		seen := make(chan carillon.Position, 100)
		go func() {
			for batch, err := range log.Follow(following, 0) {
				if err == nil && len(batch.Entries) > 0 {
					seen <- batch.Through
				}
			}
		}()
		unknown := make(chan *carillon.OutcomeUnknownError, 1)
		go func() { unknown <- inFlight(t, log, hold) }()
		for position := range seen {
			if position == 5 {
				break
			}
		}
		question := <-unknown
		late := *question
		late.After = 5 // the head as it is now
		resolving, control := resolve(t.Context(), log, question), resolve(t.Context(), log, &late)
		hold.release()
		if got := <-resolving; got.err != nil || got.appended.First != 3 || got.appended.Last != 5 {
			t.Errorf("resolved as %+v, error %v", got.appended, got.err)
		}
		if got := <-control; !errors.Is(got.err, carillon.ErrNotFound) {
			t.Errorf("searching behind the head finds %+v, error %v", got.appended, got.err)
		}
	})
}

func TestResolveFarBack(t *testing.T) {
	t.Parallel()
	p := newPort()
	fill(t, p.Log, 5000)
	log := eventlog.New(p)
	unknown := &carillon.OutcomeUnknownError{EventID: "4321", Events: 3}
	want := carillon.Appended{First: 4321, Last: 4323, Version: 4323}
	if got, err := log.Resolve(t.Context(), unknown); err != nil || got != want {
		t.Errorf("resolved as %+v, error %v", got, err)
	}
	p.read = func(context.Context, carillon.Position, int) (carillon.Page, error) {
		return carillon.Page{}, errBroken
	}
	if _, err := log.Resolve(t.Context(), unknown); !errors.Is(err, errBroken) {
		t.Errorf("error %v, want that of the store", err)
	}
	if _, err := log.Resolve(t.Context(), errBroken); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("error %v for an error that asks nothing", err)
	}
}

// TestImpatientCallers lets contexts end at every moment of an append, that between being named leader and leading among them,
// and compares what each caller was told with the log.
func TestImpatientCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const callers, each = 64, 200
		p := newPort()
		p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			<-time.After(time.Duration(rand.N(3)) * time.Millisecond)
			if rand.N(10) == 0 {
				return nil, errBroken
			}
			return p.Log.Append(ctx, batch)
		}
		log := eventlog.New(p)
		var mu sync.Mutex
		told := make(map[string]bool) // by id: whether the event is in the log
		counts := make(map[string]int)
		tell := func(id, kind string, inLog bool) {
			mu.Lock()
			defer mu.Unlock()
			told[id] = inLog
			counts[kind]++
		}
		var running sync.WaitGroup
		for caller := range callers {
			running.Go(func() {
				for i := range each {
					id := fmt.Sprint(caller, "/", i)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(5))*time.Millisecond)
					_, err := log.Append(ctx, one("s", id))
					cancel()
					switch {
					case err == nil:
						tell(id, "appended", true)
					case errors.Is(err, carillon.ErrOutcomeUnknown):
						_, err := log.Resolve(t.Context(), err)
						if err != nil && !errors.Is(err, carillon.ErrNotFound) {
							t.Error(err)
						}
						tell(id, "unknown", err == nil)
					case errors.Is(err, context.DeadlineExceeded):
						tell(id, "too late", false)
					case errors.Is(err, errBroken):
						tell(id, "failed", false)
					default:
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		for batch, err := range log.Follow(t.Context(), 0, eventlog.StopAtHead()) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch.Entries {
				if id := batch.Entries[i].ID; !told[id] {
					t.Errorf("event %s is in the log, its caller was told otherwise or it is there twice", id)
				}
				delete(told, batch.Entries[i].ID)
			}
		}
		for id, inLog := range told {
			if inLog {
				t.Errorf("event %s is not in the log", id)
			}
		}
		for _, kind := range []string{"appended", "unknown", "too late", "failed"} {
			if counts[kind] == 0 {
				t.Errorf("nobody was told %q: %v", kind, counts)
			}
		}
	})
}
