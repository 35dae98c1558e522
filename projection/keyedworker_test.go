package projection_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// TestRowsAreCoalesced folds 1000 events on three rows, which stand in the log already, and counts what is written.
func TestRowsAreCoalesced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		var last carillon.Position
		for i := range 1000 {
			last = h.append(t, fmt.Sprint("account-", i%3), "account.credited", credited{Pence: 1})
		}
		h.run(t)
		h.wait(t, "balances", last)
		if diff := cmp.Diff("0:{Owner: Pence:334 Events:334} 1:{Owner: Pence:333 Events:333} 2:{Owner: Pence:333 Events:333} ",
			said(rowsOf(t, model, h))); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		updates := h.models.committed("balances")
		if len(updates) != 1 || updates[0].puts != 3 {
			t.Errorf("updates %+v, want one that puts 3 rows", updates)
		}
		if updates[0].durability != carillon.Refoldable {
			t.Error("what can be folded again was flushed")
		}
		h.append(t, "account-0", "account.credited", credited{Pence: 1})
		synctest.Wait()
		if updates := h.models.committed("balances"); len(updates) != 2 || updates[1].puts != 1 {
			t.Errorf("updates %+v, want a second one that puts one row", updates)
		}
	})
}

// repairable is a fold that fails in some way on negative amounts until it is repaired.
type repairable struct {
	repaired atomic.Bool
	failure  func()
}

func (r *repairable) model() *projection.Model[balance] {
	return projection.Keyed("balances",
		projection.On("account.opened", balance.Opened),
		projection.On("account.credited", func(b balance, e credited) balance {
			if e.Pence < 0 && !r.repaired.Load() {
				r.failure()
			}
			return b.Credited(e)
		}))
}

// TestAFoldThatFails stops its own projection at that event, says so, and goes on when it is repaired. Others do not notice.
func TestAFoldThatFails(t *testing.T) {
	t.Parallel()
	var nothing []int
	tests := []struct {
		name    string
		failure func()
		says    string
	}{
		{"a panic", func() { panic("negative") }, `event "account.credited" at position 3: fold panicked: negative`},
		{"a mistake", func() { _ = nothing[1] }, `event "account.credited" at position 3: fold panicked: runtime error`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &repairable{failure: test.failure}
				model, other := r.model(), projection.Keyed("other", projection.On("account.credited", balance.Credited))
				h := newHouse(t, model, other)
				h.append(t, "account-1", "account.opened", opened{"Ann"})
				h.append(t, "account-1", "account.credited", credited{Pence: 5})
				h.append(t, "account-1", "account.credited", credited{Pence: -1})
				last := h.append(t, "account-1", "account.credited", credited{Pence: 7})
				h.run(t)
				h.wait(t, "other", last)
				status := h.status(t, "balances")
				if status.State != projection.Failing || status.Position != 2 || status.Lag != 2 || !strings.HasPrefix(status.Error, test.says) {
					t.Errorf("status %+v, want it to fail at position 2 with %q", status, test.says)
				}
				if got := said(rowsOf(t, model, h)); got != "1:{Owner:Ann Pence:5 Events:2} " || h.checkpoint(t, "balances") != 2 {
					t.Errorf("rows %s at checkpoint %d, want what came before", got, h.checkpoint(t, "balances"))
				}
				if status := h.status(t, "other"); status.State != projection.Live || status.Error != "" {
					t.Errorf("the other projection: %+v", status)
				}
				r.repaired.Store(true)
				<-time.After(30 * time.Second) // the longest pause between tries
				synctest.Wait()
				if status := h.status(t, "balances"); status.State != projection.Live || status.Position != last || status.Error != "" {
					t.Errorf("status %+v after the repair", status)
				}
				if got := said(rowsOf(t, model, h)); got != "1:{Owner:Ann Pence:11 Events:4} " {
					t.Errorf("rows %s after the repair", got)
				}
			})
		})
	}
}

// sour cannot be decoded, which is found out ahead of the fold, on another goroutine.
type sour struct{}

func (*sour) UnmarshalJSON([]byte) error { panic("sour") }

func TestAnEventThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		model *projection.Model[balance]
		says  string
	}{
		{"an error", balances(projection.On("account.frozen", func(b balance, _ int) balance { return b })), "json: cannot unmarshal"},
		{"a panic", balances(projection.On("account.frozen", func(b balance, _ sour) balance { return b })), "fold panicked: sour"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, test.model)
				h.append(t, "account-1", "account.credited", credited{Pence: 5})
				h.append(t, "account-1", "account.frozen", "forever")
				h.run(t)
				status := h.status(t, "balances")
				if status.State != projection.Failing || status.Position != 1 || !strings.Contains(status.Error, test.says) {
					t.Errorf("status %+v, want it to say %q", status, test.says)
				}
			})
		})
	}
}

// TestHalfAnEventIsNoEvent: what an event did to some rows is taken back when it fails on the next.
func TestHalfAnEventIsNoEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := projection.Keyed("stock", projection.Each("ordered", func(e order) iter.Seq2[string, int] {
			return func(yield func(string, int) bool) {
				for _, line := range e.Lines {
					if line.Product == "bad" {
						panic("bad")
					}
					if !yield(line.Product, line.Units) {
						return
					}
				}
			}
		}, func(n, units int) int { return n + units }))
		h := newHouse(t, model)
		h.append(t, "o-1", "ordered", order{[]line{{"tea", 1}, {"cup", 1}}})
		h.append(t, "o-2", "ordered", order{[]line{{"tea", 10}, {"new", 10}, {"tea", 10}, {"bad", 10}, {"cup", 10}}})
		h.run(t)
		if diff := cmp.Diff(map[string]int{"tea": 1, "cup": 1}, rowsOf(t, model, h)); diff != "" || h.checkpoint(t, "stock") != 1 {
			t.Errorf("rows at checkpoint %d (-want +got):\n%s", h.checkpoint(t, "stock"), diff)
		}
	})
}

// TestRestart stops and starts an engine between events: each is folded once.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		for i := range 10 {
			stop := h.run(t)
			for range i {
				h.append(t, "account-1", "account.credited", credited{Pence: 1})
			}
			synctest.Wait()
			stop()
			if status := h.status(t, "balances"); status.State != projection.Stopped {
				t.Errorf("status %+v of a stopped engine", status)
			}
			h.append(t, "account-1", "account.credited", credited{Pence: 1}) // while nobody looks
			h.restart(t, model)
		}
		h.run(t)
		if got := said(rowsOf(t, model, h)); got != "1:{Owner: Pence:55 Events:55} " {
			t.Errorf("rows %s", got)
		}
	})
}

// TestAStoreThatFails fails every other commit, behind the work: each event is folded once all the same.
func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		commits := 0
		h.models.onCommit(func(carillon.ModelRef) error {
			if commits++; commits%2 == 1 {
				return errBroken
			}
			return nil
		})
		h.run(t)
		for range 20 {
			h.append(t, "account-1", "account.credited", credited{Pence: 1})
			synctest.Wait()
			if status := h.status(t, "balances"); status.State == projection.Failing && status.Error != errBroken.Error() {
				t.Errorf("status %+v", status)
			}
			<-time.After(time.Second)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if got := said(rowsOf(t, model, h)); got != "1:{Owner: Pence:20 Events:20} " || commits < 40 {
			t.Errorf("rows %s after %d commits", got, commits)
		}
	})
}

// TestSomebodyElseWritesTheReadModel: a checkpoint that was moved in between is an error, and nothing is written over it.
func TestSomebodyElseWritesTheReadModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		h.run(t)
		h.append(t, "account-1", "account.credited", credited{Pence: 1})
		synctest.Wait()
		moved := carillon.Row{Key: "1", Value: []byte(`{"Owner":"somebody else"}`)}
		err := h.Store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "balances"}, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
			return errors.Join(tx.Put([]carillon.Row{moved}), tx.Advance(2))
		})
		if err != nil {
			t.Fatal(err)
		}
		h.append(t, "account-1", "account.credited", credited{Pence: 2})
		h.append(t, "account-2", "account.credited", credited{Pence: 4})
		synctest.Wait()
		status := h.status(t, "balances")
		if want := "the checkpoint is at 2, not at 1: somebody else writes this read model: conflict"; status.Error != want {
			t.Errorf("status %+v, want the error %q", status, want)
		}
		if got := said(rowsOf(t, model, h)); got != "1:{Owner:somebody else Pence:0 Events:0} " {
			t.Errorf("rows %s, want what the other one wrote", got)
		}
		<-time.After(time.Second) // it goes on from where the other one left off
		synctest.Wait()
		if got := said(rowsOf(t, model, h)); got != "1:{Owner:somebody else Pence:0 Events:0} 2:{Owner: Pence:4 Events:1} " {
			t.Errorf("rows %s after the next try", got)
		}
	})
}

// TestAStateThatCannotBeStored is the projection's failure too.
func TestAStateThatCannotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := projection.Keyed("odd", projection.On("counted", func(any, int) any { return func() {} }))
		h := newHouse(t, model)
		h.run(t)
		h.append(t, "counter-1", "counted", 1)
		synctest.Wait()
		if status := h.status(t, "odd"); status.State != projection.Failing || !strings.Contains(status.Error, `encode row "1"`) {
			t.Errorf("status %+v", status)
		}
		if got := h.checkpoint(t, "odd"); got > 0 {
			t.Errorf("checkpoint %d", got)
		}
	})
}

// TestChangedFolds: a program with other folds makes the read model anew by itself, and serves the old rows until then. A program with
// the folds of before leaves it alone from then on.
func TestChangedFolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := func() *projection.Model[string] {
			return projection.Keyed("balances", projection.On("account.opened", func(string, opened) string { return "Ann" }))
		}
		h := newHouse(t, old())
		stop := h.run(t)
		h.append(t, "account-1", "account.opened", opened{"Ann"})
		synctest.Wait()
		stop()
		model := balances()
		h.restart(t, model)
		h.append(t, "account-1", "account.credited", credited{Pence: 1})
		stop = h.run(t)
		<-time.After(time.Minute)
		synctest.Wait()
		if status := h.status(t, "balances"); status.State != projection.Live || status.Lag != 0 {
			t.Errorf("status %+v after the rebuild", status)
		}
		if got := said(rowsOf(t, model, h)); got != "1:{Owner:Ann Pence:1 Events:2} " {
			t.Errorf("rows %s after the rebuild", got)
		}
		stop()
		h.restart(t, old())
		h.run(t)
		<-time.After(time.Minute)
		if status := h.status(t, "balances"); status.State != projection.Outdated {
			t.Errorf("the old program's status is %+v", status)
		}
		if got := said(rowsOf(t, model, h)); got != "1:{Owner:Ann Pence:1 Events:2} " {
			t.Errorf("rows %s after the old program ran", got)
		}
	})
}

// TestAPausedProjection stands still, also when the program starts again, until it is resumed.
func TestAPausedProjection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, balances())
		stop := h.run(t)
		h.append(t, "account-1", "account.opened", opened{"Ann"})
		synctest.Wait()
		if err := h.engine.Pause(t.Context(), "balances"); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Second)
		h.append(t, "account-1", "account.credited", credited{Pence: 1})
		<-time.After(time.Minute)
		if status := h.status(t, "balances"); status.State != projection.Paused || status.Lag != 1 {
			t.Errorf("status %+v while it is paused", status)
		}
		stop()
		h.restart(t, balances())
		h.run(t)
		<-time.After(time.Minute)
		if status := h.status(t, "balances"); status.State != projection.Paused {
			t.Errorf("status %+v after a restart", status)
		}
		if err := h.engine.Resume(t.Context(), "balances"); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Second)
		if status := h.status(t, "balances"); status.State != projection.Live || status.Lag != 0 {
			t.Errorf("status %+v after it was resumed", status)
		}
	})
}

// counting counts how often it decodes events of one field.
type counting struct {
	carillon.Codec
	decoded atomic.Int64
}

func (c *counting) Decode(data []byte, target any) error {
	if _, ok := target.(*credited); ok {
		c.decoded.Add(1)
	}
	return json.Unmarshal(data, target)
}

// TestProjectionsShareWhatIsDecoded runs three projections over the same events.
func TestProjectionsShareWhatIsDecoded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, counter := memory.Volatile(), &counting{Codec: codec.JSON()}
		h := &house{Store: store, models: &models{ReadModels: store.ReadModels()}, log: eventlog.New(store.Log())}
		h.engine = projection.NewEngine(h.log, h, projection.WithCodec(counter))
		for i := range 3 {
			if err := h.engine.Add(projection.Keyed(fmt.Sprint("p", i), projection.On("account.credited", balance.Credited))); err != nil {
				t.Fatal(err)
			}
		}
		var last carillon.Position
		for range 1000 {
			last = h.append(t, "account-1", "account.credited", credited{Pence: 1})
		}
		h.run(t)
		for i := range 3 {
			h.wait(t, fmt.Sprint("p", i), last)
		}
		if got := counter.decoded.Load(); got != 1000 {
			t.Errorf("1000 events were decoded %d times for three projections", got)
		}
	})
}
