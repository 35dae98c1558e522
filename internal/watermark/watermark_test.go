package watermark

import (
	"math/rand/v2"
	"testing"
)

func TestSettledInAnyOrder(t *testing.T) {
	t.Parallel()
	tracker := New(10)
	for _, position := range []int64{11, 12, 15, 20} {
		tracker.Add(position)
	}
	for _, step := range []struct {
		settle      int64
		was         bool
		mark        int64
		open, ahead int
	}{
		{12, true, 10, 3, 1},
		{12, false, 10, 3, 1},
		{13, false, 10, 3, 1},
		{20, true, 10, 2, 2},
		{11, true, 14, 1, 1},
		{11, false, 14, 1, 1},
		{15, true, 20, 0, 0},
		{21, false, 20, 0, 0},
	} {
		was := tracker.Done(step.settle)
		if was != step.was || tracker.Mark() != step.mark || tracker.Open() != step.open || tracker.Ahead() != step.ahead {
			t.Errorf("settling %d: %v, mark %d, %d open, %d ahead, want %+v", step.settle, was, tracker.Mark(), tracker.Open(), tracker.Ahead(), step)
		}
	}
	tracker.Add(20)
	if tracker.Open() != 0 {
		t.Error("a position that was there is added again")
	}
	tracker.Pass(30)
	if tracker.Mark() != 30 {
		t.Errorf("after nothing up to 30 the mark is %d", tracker.Mark())
	}
	tracker.Add(31)
	tracker.Pass(40)
	if tracker.Mark() != 30 {
		t.Errorf("31 is not settled and the mark is %d", tracker.Mark())
	}
	if tracker.Done(31); tracker.Mark() != 40 {
		t.Errorf("31 is settled, nothing is up to 40, and the mark is %d", tracker.Mark())
	}
}

// The mark is what a slow look at all positions finds, also when memory is used again.
func TestMarkOfRandomOrders(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	tracker := New(0)
	var open []int64
	next, last := int64(0), int64(0)
	for range 20_000 {
		if len(open) == 0 || random.IntN(2) == 0 && len(open) < 300 {
			next += 1 + random.Int64N(3)
			tracker.Add(next)
			open, last = append(open, next), next
		} else {
			i := random.IntN(min(len(open), 1+random.IntN(len(open))))
			if !tracker.Done(open[i]) {
				t.Fatalf("%d was open and could not be settled", open[i])
			}
			open = append(open[:i], open[i+1:]...)
		}
		want := last
		if len(open) > 0 {
			want = open[0] - 1
		}
		if got := tracker.Mark(); got != want || tracker.Open() != len(open) {
			t.Fatalf("the mark is %d with %d open, want %d with %d", got, tracker.Open(), want, len(open))
		}
	}
}
