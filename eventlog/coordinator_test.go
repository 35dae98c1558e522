package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// crowd has 64 callers append at once, each a mixture of appends, conflicts, duplicates and reused ids, and returns what any of
// them was told wrongly.
func crowd(t *testing.T, p *port) []string {
	t.Helper()
	log := eventlog.New(p)
	var mu sync.Mutex
	var complaints []string
	complain := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	var callers sync.WaitGroup
	for caller := range 64 {
		callers.Go(func() {
			stream := fmt.Sprintf("caller-%d", caller)
			for round := range int64(20) {
				id := fmt.Sprintf("%d/%d", caller, round)
				a := carillon.Append{
					Stream: stream, Expect: carillon.Exactly(round), Events: events(id), Command: &carillon.CommandGuard{ID: id},
				}
				first, err := log.Append(t.Context(), a)
				if err != nil || first.Duplicate || first.Version != round+1 || idAt(t, p.Log, first.First) != id {
					complain("append %s: %+v, error %v", id, first, err)
				}
				again := a
				again.Expect = carillon.NoStream()
				if second, err := log.Append(t.Context(), again); err != nil || !second.Duplicate || second.First != first.First {
					complain("%s again: %+v after %+v, error %v", id, second, first, err)
				}
				other := a
				other.Events = events(id + " and more")
				if got, err := log.Append(t.Context(), other); !errors.Is(err, carillon.ErrCommandReused) {
					complain("%s with other content: %+v, error %v", id, got, err)
				}
				wrong := one(stream, "never")
				wrong.Expect = carillon.Exactly(1_000_000 + round)
				got, err := log.Append(t.Context(), wrong)
				conflict, ok := errors.AsType[*carillon.ConflictError](err)
				if !ok || conflict.Stream != stream || conflict.Expected != 1_000_000+round || conflict.Actual != round+1 {
					complain("%s at a wrong version: %+v, error %v", id, got, err)
				}
			}
		})
	}
	callers.Wait()
	return complaints
}

func TestEveryCallerGetsItsOwnVerdict(t *testing.T) {
	t.Parallel()
	p := newPort()
	p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
		runtime.Gosched() // let others queue, on one processor too
		return p.Log.Append(ctx, batch)
	}
	for _, complaint := range crowd(t, p) {
		t.Error(complaint)
	}
	if head, _ := p.Head(t.Context()); head != 64*20 {
		t.Errorf("the log has %d events, want %d", head, 64*20)
	}
	if p.appends.Load() == p.appended.Load() {
		t.Error("no two appends met in a batch, so nothing was tested")
	}
}

// TestMixedUpVerdictsAreNoticed is the control: a port that answers in another order.
func TestMixedUpVerdictsAreNoticed(t *testing.T) {
	t.Parallel()
	p := newPort()
	p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
		runtime.Gosched()
		verdicts, err := p.Log.Append(ctx, batch)
		slices.Reverse(verdicts)
		return verdicts, err
	}
	if len(crowd(t, p)) == 0 {
		t.Error("nobody complained")
	}
}

func TestALoneAppendIsFlushedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		log := eventlog.New(p)
		before := time.Now()
		for i := range 100 {
			if _, err := log.Append(t.Context(), one("s", fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			if calls := p.appends.Load(); calls != int64(i+1) {
				t.Fatalf("%d calls of the port after %d appends", calls, i+1)
			}
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("it waited %v", waited)
		}
	})
}

// TestACrowdSharesCommits counts the commits of 64 callers over a port that takes a millisecond for each.
func TestACrowdSharesCommits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const callers, each = 64, 50
		p := newPort()
		p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			<-time.After(time.Millisecond)
			return p.Log.Append(ctx, batch)
		}
		log := eventlog.New(p)
		var running sync.WaitGroup
		for caller := range callers {
			running.Go(func() {
				for i := range each {
					if _, err := log.Append(t.Context(), one("s", fmt.Sprint(caller, "/", i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		if appended := p.appended.Load(); appended != callers*each {
			t.Errorf("the port was given %d appends, want %d", appended, callers*each)
		}
		// One commit for each round of the crowd would be 50; twice that leaves room for stragglers.
		// One commit for each round of the crowd would be 50. Two, one for each half of the crowd, are 100: that is what a leader
		// comes to who does not wait for those it has just answered.
		if commits := p.appends.Load(); commits > 95 {
			t.Errorf("%d appends took %d commits, want at most 95", callers*each, commits)
		}
	})
}

// TestABurstIsSplit sees that a batch has a bound, and that an append over it still goes through, alone.
func TestABurstIsSplit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		p, hold := newPort(), newGate()
		p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			if sizes = append(sizes, len(batch)); len(sizes) == 1 {
				hold.pass()
			}
			return p.Log.Append(ctx, batch)
		}
		log := eventlog.New(p)
		results := []<-chan outcome{start(t.Context(), log, one("s", "first"))}
		hold.reached()
		for _, size := range []int{10_000, 2000, 2000, 2000} {
			ids := make([]string, size)
			for i := range ids {
				ids[i] = "x"
			}
			results = append(results, start(t.Context(), log, carillon.Append{Events: events(ids...)}))
			synctest.Wait() // queued, in this order
		}
		hold.release()
		for _, result := range results {
			if got := <-result; got.err != nil {
				t.Error(got.err)
			}
		}
		if want := []int{1, 1, 2, 1}; !slices.Equal(sizes, want) {
			t.Errorf("batches of %d appends, want %d", sizes, want)
		}
	})
}

func TestAFailingPort(t *testing.T) {
	t.Parallel()
	type commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error)
	tests := []struct {
		name   string
		commit commit
		want   error
	}{
		{"it fails", func(context.Context, []carillon.Append) ([]carillon.Verdict, error) { return nil, errBroken }, errBroken},
		{"nobody knows", func(context.Context, []carillon.Append) ([]carillon.Verdict, error) {
			return nil, fmt.Errorf("commit: %w", carillon.ErrOutcomeUnknown)
		}, carillon.ErrOutcomeUnknown},
		{"it panics", func(context.Context, []carillon.Append) ([]carillon.Verdict, error) { panic("broken") }, carillon.ErrOutcomeUnknown},
		{"no verdicts", func(context.Context, []carillon.Append) ([]carillon.Verdict, error) { return nil, nil }, carillon.ErrOutcomeUnknown},
		{"a verdict too many", func(_ context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			return make([]carillon.Verdict, len(batch)+1), nil
		}, carillon.ErrOutcomeUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, hold := newPort(), newGate()
				p.commit = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					hold.pass()
					if len(batch) == 1 && batch[0].Events[0].ID == "sound" {
						return p.Log.Append(ctx, batch)
					}
					return test.commit(ctx, batch)
				}
				log := eventlog.New(p)
				first := start(t.Context(), log, one("s", "sound"))
				hold.reached()
				var crowd []<-chan outcome // all in one batch, which fails
				for range 8 {
					crowd = append(crowd, start(t.Context(), log, one("s", "lost")))
				}
				synctest.Wait()
				hold.release()
				hold.reached()
				hold.release()
				if got := <-first; got.err != nil {
					t.Errorf("the append before: %v", got.err)
				}
				for _, result := range crowd {
					got := <-result
					unknown, ok := errors.AsType[*carillon.OutcomeUnknownError](got.err)
					if !errors.Is(got.err, test.want) || ok != errors.Is(test.want, carillon.ErrOutcomeUnknown) {
						t.Errorf("error %v, want %v", got.err, test.want)
					}
					if ok && (unknown.EventID != "lost" || unknown.Events != 1) {
						t.Errorf("it asks for %d events from %q", unknown.Events, unknown.EventID)
					}
				}
				after := start(t.Context(), log, one("s", "sound"))
				hold.reached()
				hold.release()
				if got := <-after; got.err != nil || got.appended.Version != 2 {
					t.Errorf("the append after: %+v, %v", got.appended, got.err)
				}
			})
		})
	}
}

// TestAPortThatDoesNotKnowItsHead sees that an append is refused before anything was written.
func TestAPortThatDoesNotKnowItsHead(t *testing.T) {
	t.Parallel()
	p := newPort()
	log := eventlog.New(headless{p})
	if _, err := log.Append(t.Context(), one("s", "1")); !errors.Is(err, errBroken) || p.appends.Load() != 0 {
		t.Errorf("error %v after %d commits", err, p.appends.Load())
	}
}

type headless struct{ *port }

func (headless) Head(context.Context) (carillon.Position, error) { return 0, errBroken }
