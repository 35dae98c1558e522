package projection_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
)

// mails is a reactor that writes down its effects.
type mails struct {
	start projection.Start
	sent  []string
	// fail stands before an effect, behind stands after it.
	fail, behind func(at carillon.Position) error
}

func (m *mails) reactor() *projection.Reactor {
	return projection.React("mails", m.start, projection.Handle("account.opened",
		func(_ context.Context, at carillon.Recorded, e opened) error {
			if m.fail != nil {
				if err := m.fail(at.Position); err != nil {
					return err
				}
			}
			m.sent = append(m.sent, fmt.Sprint(at.Position, " ", at.Stream, " ", e.Owner))
			if m.behind != nil {
				return m.behind(at.Position)
			}
			return nil
		}))
}

func (h *house) open(t testing.TB, owners ...string) (last carillon.Position) {
	t.Helper()
	for _, owner := range owners {
		last = h.append(t, "account-1", "account.opened", opened{owner})
	}
	return last
}

func TestWhereAReactorStarts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		start projection.Start
		want  []string
	}{
		{"from the beginning", projection.FromBeginning(), []string{"1 account-1 a", "2 account-1 b", "3 account-1 c", "4 account-1 d"}},
		{"from now", projection.FromNow(), []string{"4 account-1 d"}},
		{"after a position", projection.After(2), []string{"3 account-1 c", "4 account-1 d"}},
		{"after a position to come", projection.After(3), []string{"4 account-1 d"}},
		{"after a position far off", projection.After(1000), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &mails{start: test.start}
				h := newHouse(t, m.reactor())
				h.open(t, "a", "b", "c")
				stop := h.run(t)
				stop()
				h.open(t, "d") // while nobody looks: the start was decided when it first ran
				h.restart(t, m.reactor())
				h.run(t)
				if diff := cmp.Diff(test.want, m.sent); diff != "" {
					t.Errorf("effects (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestAReactorRemembersEachEffect: the checkpoint is flushed behind every effect, so a stop repeats nothing.
func TestAReactorRemembersEachEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mails{start: projection.FromBeginning()}
		h := newHouse(t, m.reactor())
		h.open(t, "a", "b")
		h.append(t, "account-1", "unrelated", 1)
		h.open(t, "c")
		h.run(t)()
		updates := h.models.committed("mails")
		if len(updates) < 2 || len(updates) > 4 { // where it starts, and three effects
			t.Errorf("%d updates, want 2 to 4", len(updates))
		}
		for _, update := range updates {
			if update.durability != carillon.Flushed || update.puts != 0 {
				t.Errorf("update %+v, want a checkpoint that is flushed", update)
			}
		}
		h.restart(t, m.reactor())
		h.run(t)
		if want := []string{"1 account-1 a", "2 account-1 b", "4 account-1 c"}; !cmp.Equal(want, m.sent) {
			t.Errorf("effects %q, want %q", m.sent, want)
		}
	})
}

// TestACrashRepeatsEffects: when the process ends between effects and their checkpoint, those effects come again, and no others.
func TestACrashRepeatsEffects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mails{start: projection.FromBeginning()}
		h := newHouse(t, m.reactor())
		h.open(t, "a")
		stop := h.run(t)
		h.wait(t, "mails", 1)
		h.models.onCommit(func(carillon.ModelRef) error { return errBroken })
		h.open(t, "b", "c")
		synctest.Wait()
		if status := h.status(t, "mails"); status.State != projection.Failing || status.Position != 1 || status.Error != errBroken.Error() {
			t.Errorf("status %+v", status)
		}
		stop()
		h.models.onCommit(nil)
		h.restart(t, m.reactor())
		h.run(t)
		if want := []string{"1 account-1 a", "2 account-1 b", "3 account-1 c", "2 account-1 b", "3 account-1 c"}; !cmp.Equal(want, m.sent) {
			t.Errorf("effects %q, want %q", m.sent, want)
		}
	})
}

// TestAnEffectThatFails is tried again, and the events behind it wait.
func TestAnEffectThatFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fail func() error
		says string
	}{
		{"an error", func() error { return errBroken }, `event "account.opened" at position 2: broken`},
		{"a panic", func() error { panic("no mail server") }, `event "account.opened" at position 2: handler panicked: no mail server`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				var repaired atomic.Bool
				m := &mails{start: projection.FromBeginning(), fail: func(at carillon.Position) error {
					if at != 2 || repaired.Load() {
						return nil
					}
					tries++
					return test.fail()
				}}
				h := newHouse(t, m.reactor())
				h.open(t, "a", "b", "c")
				h.run(t)
				if status := h.status(t, "mails"); status.State != projection.Failing || status.Position != 1 || status.Lag != 2 || status.Error != test.says {
					t.Errorf("status %+v, want the error %q", status, test.says)
				}
				<-time.After(time.Minute)
				synctest.Wait()
				if tries < 5 || tries > 25 { // pauses double from 100 ms to 30 s, and are cut short at random
					t.Errorf("%d tries in a minute", tries)
				}
				repaired.Store(true)
				<-time.After(30 * time.Second)
				synctest.Wait()
				if want := []string{"1 account-1 a", "2 account-1 b", "3 account-1 c"}; !cmp.Equal(want, m.sent) {
					t.Errorf("effects %q, want %q", m.sent, want)
				}
				if status := h.status(t, "mails"); status.State != projection.Live || status.Lag != 0 {
					t.Errorf("status %+v after the repair", status)
				}
			})
		})
	}
}

// TestNoRebuildReachesAReactor rebuilds everything there is beside one.
func TestNoRebuildReachesAReactor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mails{start: projection.FromBeginning()}
		h := newHouse(t, m.reactor(), balances())
		h.run(t)
		last := h.open(t, "a", "b")
		h.wait(t, "mails", last)
		for _, name := range []string{"balances", "mails"} {
			if err := h.engine.Rebuild(t.Context(), name); (name == "mails") != errors.Is(err, carillon.ErrUnsupported) {
				t.Errorf("rebuild %s: %v", name, err)
			}
		}
		h.wait(t, "mails", h.open(t, "c"))
		if want := []string{"1 account-1 a", "2 account-1 b", "3 account-1 c"}; !cmp.Equal(want, m.sent) {
			t.Errorf("effects %q, want %q", m.sent, want)
		}
	})
}

// TestAReactorIsDrained: an effect under way when the engine stops is finished and remembered, within a limit.
func TestAReactorIsDrained(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		took time.Duration
		want int // effects done when it has stopped
	}{
		{"soon enough", 8 * time.Second, 2},
		{"not soon enough", 12 * time.Second, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				done := 0
				h := newHouse(t, projection.React("mails", projection.FromBeginning(), projection.Handle("account.opened",
					func(ctx context.Context, _ carillon.Recorded, _ opened) error {
						select {
						case <-time.After(test.took):
							done++
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					})))
				h.open(t, "a", "b", "c")
				stop := h.run(t)
				<-time.After(test.took + time.Second) // the first is done, the second under way
				before := time.Now()
				stop()
				if took := time.Since(before); took > 10*time.Second {
					t.Errorf("stopping took %v", took)
				}
				if done != test.want || h.checkpoint(t, "mails") != carillon.Position(test.want) {
					t.Errorf("%d effects are done, the checkpoint is at %d, want %d", done, h.checkpoint(t, "mails"), test.want)
				}
			})
		})
	}
}

// unmoved is the part of a reactor that nothing moves.
func unmoved() projection.ReactorPart {
	return projection.Handle("nobody.noticed", func(context.Context, carillon.Recorded, struct{}) error { return nil })
}

func TestMistakesInAReactor(t *testing.T) {
	t.Parallel()
	handle := projection.Handle("account.opened", func(context.Context, carillon.Recorded, opened) error { return nil })
	tests := []struct {
		name    string
		reactor *projection.Reactor
		says    string
	}{
		{"a bad name", projection.React("1", projection.FromNow()), `reactor "1": type "1"`},
		{"no start", projection.React("mails", projection.Start{}), "it says where it starts: FromNow, FromBeginning or After"},
		{"a start before the log", projection.React("mails", projection.After(-1), handle), "it starts after a position of the log, not -1"},
		{"nothing to do", projection.React("mails", projection.FromNow()), `reactor "mails": it handles at least one event type, see Handle`},
		{"an event twice", projection.React("mails", projection.FromNow(), handle, handle), `event "account.opened" is handled twice`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := newHouse(t).engine.Add(test.reactor)
			if !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}
