package projection_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
)

// TestIdleCheckpoint appends events that no projection folds. The checkpoint follows now and then, the position always.
func TestIdleCheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, balances(), projection.React("reactor", projection.FromBeginning(), unmoved()))
		h.run(t)
		idle := make([]carillon.Message, 1000)
		for i := range idle {
			idle[i] = message(t, "unrelated", i)
		}
		for n := carillon.Position(1000); n <= 11_000; n += 1000 {
			if got := h.appendAll(t, "s", idle...); got != n {
				t.Fatalf("appended to %d, want %d", got, n)
			}
			synctest.Wait()
			<-time.After(time.Second)
			synctest.Wait()
			for _, name := range []string{"balances", "reactor"} {
				if got := h.status(t, name).Position; got != n {
					t.Errorf("%s is at position %d, want %d", name, got, n)
				}
				written := h.checkpoint(t, name) > 0
				if want := n >= 10_000; written != want {
					t.Errorf("after %d events the checkpoint of %s is %d", n, name, h.checkpoint(t, name))
				}
			}
		}
	})
}

// TestLeavingMovesTheCheckpoint has events come that no fold concerns: the checkpoint waits for more of them, and moves when the engine ends.
func TestLeavingMovesTheCheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, balances())
		stop := h.run(t)
		folded := h.append(t, "account-1", "account.credited", credited{Pence: 1})
		h.wait(t, "balances", folded)
		last := h.append(t, "account-1", "account.renamed", credited{})
		h.wait(t, "balances", last)
		if at := h.checkpoint(t, "balances"); at != folded {
			t.Errorf("the checkpoint is at %d, want %d while the engine runs", at, folded)
		}
		stop()
		if at := h.checkpoint(t, "balances"); at != last {
			t.Errorf("the checkpoint is at %d, want %d when the engine has ended", at, last)
		}
	})
}

// appendPages appends pages of 2,000 events to three streams in turn, all of them alike, and returns the last position.
func (h *house) appendPages(t *testing.T, pages int, event carillon.Message) carillon.Position {
	t.Helper()
	var last carillon.Position
	for n := range pages {
		last = h.appendAll(t, fmt.Sprint("account-", n%3), slices.Repeat([]carillon.Message{event}, 2000)...)
	}
	return last
}

// TestCatchingUpCommitsSeldom folds a history of many pages on three rows, which change in every page, and counts what is written.
func TestCatchingUpCommitsSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := balances()
		h := newHouse(t, model)
		last := h.appendPages(t, 5, message(t, "account.credited", credited{Pence: 1}))
		h.run(t)
		h.wait(t, "balances", last)
		want := "0:{Owner: Pence:4000 Events:4000} 1:{Owner: Pence:4000 Events:4000} 2:{Owner: Pence:2000 Events:2000} "
		if got := said(rowsOf(t, model, h)); got != want || h.checkpoint(t, "balances") != last {
			t.Errorf("rows %s at checkpoint %d, want %sat %d", got, h.checkpoint(t, "balances"), want, last)
		}
		if updates := h.models.committed("balances"); len(updates) != 1 || updates[0].puts != 3 {
			t.Errorf("updates %+v, want one for all pages", updates)
		}
	})
}

// TestCatchingUpPutsOffLittle folds a history of many pages with large events. Rows that keep what the events bring are not put off until
// the end, and those that keep little of it are put off for longer, though not without end.
func TestCatchingUpPutsOffLittle(t *testing.T) {
	t.Parallel()
	const pages = 10 // of 4 MiB each
	for _, test := range []struct {
		name  string
		fold  func(owners []string, e opened) []string
		least int // updates
		most  int
	}{
		{"kept", func(owners []string, e opened) []string { return append(owners, e.Owner) }, pages, 2 * pages},
		{"dropped", func([]string, opened) []string { return nil }, 1 + pages/4, pages / 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, projection.Keyed("owners", projection.On("account.opened", test.fold)))
				last := h.appendPages(t, pages, message(t, "account.opened", opened{Owner: strings.Repeat("x", 2<<10)}))
				h.run(t)
				h.wait(t, "owners", last)
				if updates := len(h.models.committed("owners")); updates < test.least || updates > test.most {
					t.Errorf("%d updates, want %d to %d", updates, test.least, test.most)
				}
			})
		})
	}
}
