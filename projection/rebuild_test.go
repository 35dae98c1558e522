package projection_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
)

// history appends random events to ten accounts and returns the last position.
func (h *house) history(t testing.TB, count int) (last carillon.Position) {
	t.Helper()
	for range count {
		last = h.append(t, fmt.Sprint("account-", rand.N(10)), "account.credited", credited{Pence: int64(rand.N(100))})
	}
	return last
}

func TestRebuildGivesTheSameRows(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			model := balances(projection.Remove[balance]("account.closed"))
			h := newHouse(t, model)
			stop := h.run(t)
			h.history(t, 3000)
			h.append(t, "account-3", "account.closed", nil)
			last := h.history(t, 100)
			h.wait(t, "balances", last)
			before := rowsOf(t, model, h)
			if !running {
				stop()
			}
			if err := h.engine.Rebuild(t.Context(), "balances"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, rowsOf(t, model, h)); diff != "" {
				t.Errorf("running is %v: rows (-live +rebuilt):\n%s", running, diff)
			}
			infos, err := h.models.Models(t.Context())
			if err != nil || len(infos) == 0 || infos[0].Name != "balances" || infos[0].Shadow != -1 || infos[0].Checkpoint != last {
				t.Errorf("running is %v: read models %+v, error %v", running, infos, err)
			}
		})
	}
}

// TestRebuildWhileTheOldRowsServe holds a rebuild up half way: queries get the old rows, which follow the log, until the new ones
// take their place.
func TestRebuildWhileTheOldRowsServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		stop := h.run(t)
		h.history(t, 5000)
		synctest.Wait()
		stop()

		// A later version of the program counts double.
		later := projection.Keyed("balances", projection.On("account.credited", func(b balance, e credited) balance {
			return b.Credited(e).Credited(e)
		}))
		h.restart(t, later)
		h.run(t)
		old := rowsOf(t, model, h)
		reached, release := make(chan struct{}), make(chan struct{})
		shadows := 0
		h.models.onCommit(func(ref carillon.ModelRef) error {
			if ref.Shadow {
				if shadows++; shadows == 3 {
					close(reached)
					<-release
				}
			}
			return nil
		})
		rebuilt := make(chan error)
		go func() { rebuilt <- h.engine.Rebuild(t.Context(), "balances") }()
		<-reached
		if shadows < 3 {
			t.Fatal("the rebuild is not under way")
		}
		close(release)
		h.models.onCommit(nil)
		last := h.history(t, 500)
		if err := <-rebuilt; err != nil {
			t.Fatal(err)
		}
		h.wait(t, "balances", last)
		got := rowsOf(t, later, h)
		total, events := int64(0), 0
		for _, row := range got {
			total += row.Pence
			events += row.Events
		}
		if want := 2 * (5000 + 500); events != want || len(got) != len(old) {
			t.Errorf("%d rows with %d events, want %d rows with %d", len(got), events, len(old), want)
		}
		fresh := newHouse(t)
		fresh.Store, fresh.log = h.Store, h.log
		fresh.models = &models{ReadModels: newHouse(t).Store.ReadModels()}
		fresh.restart(t, later)
		fresh.run(t)
		fresh.wait(t, "balances", last)
		if diff := cmp.Diff(rowsOf(t, later, fresh), got); diff != "" {
			t.Errorf("rows (-folded from the start +rebuilt while appends went on):\n%s", diff)
		}
	})
}

// TestTheOldRowsServe is asked in the middle of a rebuild, between its batches.
func TestTheOldRowsServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold, held := make(chan struct{}), false
		model := projection.Keyed("balances", projection.On("account.credited", func(b balance, e credited) balance {
			if held && e.Pence == 0 {
				<-hold
			}
			return b.Credited(e)
		}))
		h := newHouse(t, model)
		h.run(t)
		h.append(t, "account-1", "account.credited", credited{Pence: 5})
		h.append(t, "account-1", "account.credited", credited{Pence: 0})
		synctest.Wait()
		held = true
		rebuilt := make(chan error)
		go func() { rebuilt <- h.engine.Rebuild(t.Context(), "balances") }()
		synctest.Wait()
		h.append(t, "account-1", "account.credited", credited{Pence: 7})
		synctest.Wait()
		if got := said(rowsOf(t, model, h)); got != "1:{Owner: Pence:12 Events:3} " {
			t.Errorf("rows %s in the middle of a rebuild, want the old ones, up to date", got)
		}
		if infos, err := h.models.Models(t.Context()); err != nil || infos[0].Shadow < 0 {
			t.Errorf("read models %+v, error %v, want a shadow", infos, err)
		}
		close(hold)
		if err := <-rebuilt; err != nil {
			t.Fatal(err)
		}
		h.append(t, "account-1", "account.credited", credited{Pence: 1})
		synctest.Wait()
		if got := said(rowsOf(t, model, h)); got != "1:{Owner: Pence:13 Events:4} " {
			t.Errorf("rows %s after the rebuild", got)
		}
	})
}

// TestARebuildThatFails leaves the live rows as they are, and the projection goes on.
func TestARebuildThatFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fail func(h *house, cancel context.CancelFunc)
		want error
	}{
		{"the store fails", func(h *house, _ context.CancelFunc) {
			h.models.onCommit(func(ref carillon.ModelRef) error {
				if ref.Shadow {
					return errBroken
				}
				return nil
			})
		}, errBroken},
		{"its context ends", func(h *house, cancel context.CancelFunc) {
			h.models.onCommit(func(ref carillon.ModelRef) error {
				if ref.Shadow {
					cancel()
				}
				return nil
			})
		}, context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				model := balances()
				h := newHouse(t, model)
				h.run(t)
				h.wait(t, "balances", h.history(t, 5000))
				before := rowsOf(t, model, h)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				test.fail(h, cancel)
				if err := h.engine.Rebuild(ctx, "balances"); !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if diff := cmp.Diff(before, rowsOf(t, model, h)); diff != "" {
					t.Errorf("rows (-before +after):\n%s", diff)
				}
				h.models.onCommit(nil)
				h.append(t, "account-new", "account.credited", credited{Pence: 7})
				synctest.Wait()
				<-time.After(time.Second)
				if row := rowsOf(t, model, h)["new"]; row.Pence != 7 {
					t.Errorf("row %+v, want the projection to go on", row)
				}
				if err := h.engine.Rebuild(t.Context(), "balances"); err != nil {
					t.Errorf("the next rebuild: %v", err)
				}
			})
		})
	}
}

// TestRebuildWhileItFails rebuilds a projection that is trying again and again, with a fold that has been repaired since.
func TestRebuildWhileItFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &repairable{failure: func() { panic("negative") }}
		model := r.model()
		h := newHouse(t, model)
		h.run(t)
		h.history(t, 50)
		h.append(t, "account-x", "account.credited", credited{Pence: -5})
		last := h.history(t, 50)
		synctest.Wait()
		if err := h.engine.Rebuild(t.Context(), "balances"); err == nil {
			t.Error("a rebuild folded what cannot be folded")
		}
		r.repaired.Store(true)
		for range 100 { // at every moment of its tries
			if err := h.engine.Rebuild(t.Context(), "balances"); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Duration(rand.N(50)) * time.Millisecond)
		}
		h.wait(t, "balances", last)
		<-time.After(time.Minute)
		synctest.Wait()
		if status := h.status(t, "balances"); status.State != projection.Live || status.Lag != 0 {
			t.Errorf("status %+v", status)
		}
	})
}

// TestRebuildBesideAppends runs rebuilds one after another, two at a time, while events come in.
func TestRebuildBesideAppends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		h.run(t)
		ended := make(chan error, 2)
		for range cap(ended) {
			go func() {
				var err error
				for range 20 {
					err = errors.Join(err, h.engine.Rebuild(t.Context(), "balances"))
				}
				ended <- err
			}()
		}
		last := h.history(t, 2000)
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		h.wait(t, "balances", last)
		events := 0
		for _, row := range rowsOf(t, model, h) {
			events += row.Events
		}
		if events != 2000 {
			t.Errorf("the rows hold %d events, want 2000", events)
		}
	})
}

func TestRebuildRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, projection.React("mails", projection.FromBeginning(), unmoved()))
	if err := h.engine.Rebuild(t.Context(), "mails"); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("a reactor: %v", err)
	}
	if err := h.engine.Rebuild(t.Context(), "nobody"); !errors.Is(err, carillon.ErrNotFound) {
		t.Errorf("a name nobody has: %v", err)
	}
}

// TestACompareReports the rows that differ, and no others, while events go on coming, and keeps the old rows when that is asked for.
func TestACompareReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		stop := h.run(t)
		defer stop()
		for account := range 2500 {
			h.append(t, fmt.Sprintf("account-%04d", account), "account.credited", credited{Pence: 1})
		}
		h.wait(t, "balances", 2500)
		spoil := func(tx carillon.ReadModelTx) error {
			return tx.Put([]carillon.Row{
				{Key: "0007", Version: 1, Value: []byte(`{"Owner":"nobody"}`)}, {Key: "1234", Value: nil}, {Key: "9999", Version: 1, Value: []byte(`{}`)},
			})
		}
		if err := h.models.Update(t.Context(), carillon.ModelRef{Name: "balances"}, carillon.Refoldable, spoil); err != nil {
			t.Fatal(err)
		}
		appending := make(chan struct{})
		writing, stopWriting := context.WithCancel(t.Context())
		go func() {
			defer close(appending)
			for i := 0; writing.Err() == nil; i++ {
				h.append(t, fmt.Sprintf("account-%04d", 2000+i%50), "account.credited", credited{Pence: 1})
				<-time.After(time.Millisecond)
			}
		}()
		compare := func(options ...projection.RebuildOption) (different []string) {
			options = append(options, projection.Compare(func(d projection.Difference) error {
				different = append(different, d.Key)
				return nil
			}))
			if err := h.engine.Rebuild(t.Context(), "balances", options...); err != nil {
				t.Error(err)
			}
			slices.Sort(different)
			return different
		}
		want := []string{"0007", "1234", "9999"}
		if got := compare(projection.KeepOld()); !slices.Equal(got, want) {
			t.Errorf("rows %q differ, want %q", got, want)
		}
		if got := compare(); !slices.Equal(got, want) {
			t.Errorf("rows %q differ after the old ones were kept, want %q", got, want)
		}
		if got := compare(); len(got) > 0 {
			t.Errorf("rows %q differ after the rebuild, want none", got)
		}
		stopWriting()
		<-appending
	})
}

// TestRewind makes one row anew, and no other.
func TestRewind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		stop := h.run(t)
		defer stop()
		var last carillon.Position
		for range 3 {
			h.append(t, "account-1", "account.credited", credited{Pence: 5})
			last = h.append(t, "account-2", "account.credited", credited{Pence: 7})
		}
		h.wait(t, "balances", last)
		stop()
		spoil := func(tx carillon.ReadModelTx) error {
			return tx.Put([]carillon.Row{{Key: "1", Version: 1, Value: []byte(`{"Pence":1}`)}, {Key: "2", Version: 1, Value: []byte(`{"Pence":2}`)}})
		}
		if err := h.models.Update(t.Context(), carillon.ModelRef{Name: "balances"}, carillon.Refoldable, spoil); err != nil {
			t.Fatal(err)
		}
		h.restart(t, model)
		for round := range 2 { // stopped, and running
			if err := h.engine.Rewind(t.Context(), "balances", "1"); err != nil {
				t.Fatal(err)
			}
			if got := said(rowsOf(t, model, h)); got != "1:{Owner: Pence:15 Events:3} 2:{Owner: Pence:2 Events:0} " {
				t.Errorf("rows %s", got)
			}
			if round == 0 {
				defer h.run(t)()
			}
			h.wait(t, "balances", last)
		}
		if err := h.engine.Rewind(t.Context(), "nothing", "1"); !errors.Is(err, carillon.ErrNotFound) {
			t.Errorf("a projection that is not there: %v", err)
		}
	})
}
