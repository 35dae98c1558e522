package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// pretend is a side that does so much in each of its runs, a second each.
func pretend(name string, done ...int64) measured {
	m := measured{side: side{name: name}}
	for _, n := range done {
		m.results = append(m.results, result{done: n, took: time.Second, busy: time.Second, facts: map[string]float64{"size": float64(n)}})
	}
	return m
}

func TestRatiosArePairs(t *testing.T) {
	t.Parallel()
	o := outcome{sides: []measured{pretend("ours", 10, 40, 90), pretend("slow", 1, 2, 1), pretend("fast", 10, 20, 30)}}
	got, best := ratio("ours", "slow", "fast")(o)
	if want := (spread{Median: 2, Low: 1, High: 3}); got != want || best != "fast" {
		t.Errorf("got %+v over %s, want %+v over fast", got, best, want)
	}
	if got, _ := fact("ours", "size")(o); got.Median != 40 {
		t.Errorf("got %+v", got)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1}, spread{2.5, 1, 4}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("%v: got %+v, want %+v", test.values, got, test.want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		claim  claim
		median float64
		want   string
	}{
		{claim{floor: 0.85}, 0.85, pass},
		{claim{floor: 0.85}, 0.849, short},
		{claim{ceiling: 200}, 200, pass},
		{claim{ceiling: 200}, 201, short},
		{claim{}, 0, informative},
	} {
		if got := test.claim.verdict(spread{Median: test.median}); got != test.want {
			t.Errorf("%s with %g: got %s, want %s", test.claim.demand(), test.median, got, test.want)
		}
	}
}

// TestSidesTakeTurns also sees that a run before those that count is not among them.
func TestSidesTakeTurns(t *testing.T) {
	t.Parallel()
	var turns []string
	named := func(name string) side {
		return side{name: name, run: func(context.Context, time.Duration) (result, error) {
			turns = append(turns, name)
			return result{done: 1, took: time.Second}, nil
		}}
	}
	c := &contest{sides: []side{named("a"), named("b")}}
	w := &workspace{scale: scale{repetitions: 2, duration: time.Second}, say: func(string, ...any) {}}
	o, err := c.measure(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "a", "b", "b", "a"}; !slices.Equal(turns, want) {
		t.Errorf("turns %v, want %v", turns, want)
	}
	if n := len(o.side("a").results); n != 2 {
		t.Errorf("%d runs count, want 2", n)
	}
}

// TestWorkThatWasNotDone: nobody wins by doing nothing, or less than was acknowledged.
func TestWorkThatWasNotDone(t *testing.T) {
	t.Parallel()
	idle := side{name: "idle", run: func(context.Context, time.Duration) (result, error) { return result{took: time.Second}, nil }}
	if _, err := idle.measure(t.Context(), time.Second); err == nil {
		t.Error("a side that did nothing was measured")
	}
	w := &workspace{dir: t.TempDir()}
	log, err := openHandLog(w.path("hand.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.close(); err != nil {
			t.Error(err)
		}
	})
	if err := log.append("customer-1", 1, payloadFor(1, customerKey(1))); err != nil {
		t.Fatal(err)
	}
	if err := log.append("customer-1", 1, payloadFor(1, customerKey(1))); !errors.Is(err, errVersionTaken) {
		t.Errorf("a version was written twice: %v", err)
	}
	if err := checkHand(log, 1); err != nil {
		t.Error(err)
	}
	if err := checkHand(log, 2); err == nil {
		t.Error("a lost event was not missed")
	}
	p, err := openProduct(t.Context(), w.path("carillon.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	if err := p.appendOne(t.Context(), "customer-1", 1, payloadFor(1, customerKey(1))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.check(t.Context(), 0, 1), checkOrders(1, 1)); err != nil {
		t.Error(err)
	}
	if p.check(t.Context(), 0, 2) == nil || checkOrders(1, 2) == nil {
		t.Error("a lost event was not missed")
	}
	h := historyOf(10)
	if err := h.check(map[string]Customer{"a": h.total}); err == nil || !strings.Contains(err.Error(), "rows come to") {
		t.Errorf("a row too few was not missed: %v", err)
	}
}
