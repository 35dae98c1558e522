package projection_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
)

func TestNamesAreTaken(t *testing.T) {
	t.Parallel()
	h := newHouse(t, balances())
	for _, second := range []projection.Definition{balances(), projection.React("balances", projection.FromNow(), unmoved())} {
		err := h.engine.Add(second)
		if !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), `projection "balances": its name is taken`) {
			t.Errorf("error %v", err)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &repairable{failure: func() { panic("negative") }}
		h := newHouse(t, r.model(), projection.Keyed("other", projection.On("account.opened", balance.Opened)))
		wait := func(name string, position carillon.Position, limit time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			before := time.Now()
			err := h.engine.Wait(ctx, name, position)
			return time.Since(before), err
		}
		if took, err := wait("balances", 0, time.Second); !errors.Is(err, carillon.ErrTimeout) || took != time.Second {
			t.Errorf("before it runs: error %v after %v", err, took)
		}
		h.run(t)
		if took, err := wait("balances", 0, time.Second); err != nil || took != 0 {
			t.Errorf("for the start of an empty log: error %v after %v", err, took)
		}
		if _, err := wait("nobody", 0, time.Second); !errors.Is(err, carillon.ErrNotFound) {
			t.Errorf("for a name nobody has: %v", err)
		}
		took, err := wait("balances", 5, time.Second)
		want := `read model "balances" is at position 0 (live), waited for 5: timed out`
		if !errors.Is(err, carillon.ErrTimeout) || err.Error() != want || took != time.Second {
			t.Errorf("for events to come: error %v after %v, want %q", err, took, want)
		}
		go func() {
			<-time.After(300 * time.Millisecond)
			h.append(t, "account-1", "account.credited", credited{Pence: 1})
		}()
		if took, err := wait("balances", 1, time.Second); err != nil || took != 300*time.Millisecond {
			t.Errorf("for an event that comes: error %v after %v", err, took)
		}
		h.append(t, "account-1", "account.credited", credited{Pence: -1})
		synctest.Wait()
		want = `read model "balances" is at position 1 (failing), waited for 2: timed out: event "account.credited" at position 2: fold panicked: negative`
		if _, err := wait("balances", 2, 10*time.Millisecond); !errors.Is(err, carillon.ErrTimeout) || err.Error() != want {
			t.Errorf("for a projection that fails: error %v, want %q", err, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.engine.Wait(ctx, "balances", 2); !errors.Is(err, context.Canceled) || errors.Is(err, carillon.ErrTimeout) {
			t.Errorf("with an ended context: %v", err)
		}
		if err := h.engine.WaitAll(t.Context(), 1); err != nil {
			t.Errorf("for all: %v", err)
		}
		hasty, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := h.engine.WaitAll(hasty, 2); !errors.Is(err, carillon.ErrTimeout) {
			t.Errorf("for all, one of which fails: %v", err)
		}
	})
}

// TestSomebodyWaits: a projection gathers while events come in crowds, and hurries as soon as somebody waits for it.
func TestSomebodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, balances())
		h.run(t)
		h.history(t, 100)
		synctest.Wait()
		for range 20 {
			<-time.After(time.Millisecond)
			before := time.Now()
			h.wait(t, "balances", h.history(t, 20))
			if took := time.Since(before); took > 0 {
				t.Errorf("it waited %v", took)
			}
		}
	})
}

func TestStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &repairable{failure: func() { panic("negative") }}
		h := newHouse(t, r.model(), projection.React("mails", projection.FromNow(), unmoved()))
		h.history(t, 3)
		expect := func(when string, want ...projection.Status) {
			t.Helper()
			synctest.Wait()
			got, err := h.engine.Status(t.Context())
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(projection.Status{}, "Rate")); diff != "" || err != nil {
				t.Errorf("%s: error %v, status (-want +got):\n%s", when, err, diff)
			}
		}
		expect("before it runs",
			projection.Status{Name: "balances", Kind: "projection", State: projection.Stopped, Lag: 3},
			projection.Status{Name: "mails", Kind: "reactor", State: projection.Stopped, Lag: 3})
		stop := h.run(t)
		expect("at the end of the log",
			projection.Status{Name: "balances", Kind: "projection", State: projection.Live, Position: 3},
			projection.Status{Name: "mails", Kind: "reactor", State: projection.Live, Position: 3})
		h.append(t, "account-1", "account.credited", credited{Pence: -1})
		h.history(t, 1)
		expect("when one fails",
			projection.Status{
				Name: "balances", Kind: "projection", State: projection.Failing, Position: 3, Lag: 2,
				Error: `event "account.credited" at position 4: fold panicked: negative`,
			},
			projection.Status{Name: "mails", Kind: "reactor", State: projection.Live, Position: 5})
		stop()
		expect("when it has stopped",
			projection.Status{Name: "balances", Kind: "projection", State: projection.Stopped, Position: 3, Lag: 2},
			projection.Status{Name: "mails", Kind: "reactor", State: projection.Stopped, Position: 5})
	})
}

// TestCatchingUp looks at a status in the middle of history.
func TestCatchingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		h := newHouse(t, projection.Keyed("slow", projection.On("account.credited", func(b balance, e credited) balance {
			if e.Pence == -3 {
				<-hold
			}
			return b
		})))
		h.history(t, 2500) // a page and a half
		h.append(t, "account-1", "account.credited", credited{Pence: -3})
		h.run(t)
		status := h.status(t, "slow")
		if status.State != projection.CatchingUp || status.Position > 2000 || status.Lag != 2501-int64(status.Position) {
			t.Errorf("status %+v", status)
		}
		close(hold)
		synctest.Wait()
		if status := h.status(t, "slow"); status.State != projection.Live || status.Position != 2501 || status.Lag != 0 {
			t.Errorf("status %+v", status)
		}
	})
}

// TestRate folds a hundred events a second.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, balances())
		h.run(t)
		for range 1000 {
			h.history(t, 1)
			<-time.After(10 * time.Millisecond)
		}
		if rate := h.status(t, "balances").Rate; rate < 90 || rate > 110 {
			t.Errorf("rate %v, want about 100", rate)
		}
	})
}

// TestAStoreThatCannotBeAsked fails a projection, which goes on when the store does.
func TestAStoreThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, balances(), projection.React("mails", projection.FromBeginning(), unmoved()))
		last := h.history(t, 3)
		if err := h.Store.Close(); err != nil {
			t.Fatal(err)
		}
		h.run(t)
		if _, err := h.engine.Status(t.Context()); !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("status of a closed store: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, name := range []string{"balances", "mails"} {
			if err := h.engine.Wait(ctx, name, last); !errors.Is(err, carillon.ErrTimeout) || !errors.Is(err, carillon.ErrClosed) {
				t.Errorf("waiting for %s: %v", name, err)
			}
		}
		if err := h.engine.Rebuild(t.Context(), "balances"); !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("rebuild: %v", err)
		}
		if _, err := h.Store.(carillon.Opener).Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.wait(t, "balances", last)
		h.wait(t, "mails", last)
	})
}

// TestAnEngineRunsOnce: two runs would follow the log twice, and write over one another.
func TestAnEngineRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, balances())
		stop := h.run(t)
		short, cancel := context.WithTimeout(t.Context(), time.Second) // should it run
		defer cancel()
		if err := h.engine.Run(short); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("while it runs: %v", err)
		}
		late := projection.React("late", projection.FromNow(), unmoved())
		if err := h.engine.Add(late); !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), "add everything before Run") {
			t.Errorf("a reactor too late: %v", err)
		}
		stop()
		if err := h.engine.Run(short); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("after it ran: %v", err)
		}
	})
}
