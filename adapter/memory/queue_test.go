package memory

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
)

// A queue holds what was added and not settled, whatever the order in which that happens, and keeps no pages that are done with.
func TestQueueSettledInAnyOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var q queue
	var spare spares
	var open []int64
	for step := range 50_000 {
		most := 400 * (step / 10_000 % 2) // it fills up, and drains
		if len(open) == 0 || len(open) < most && random.IntN(5) > 1 {
			open = append(open, q.end)
			q.add(&carillon.Message{ID: fmt.Sprint(q.end)}, time.Time{}, &spare)
		} else {
			i := random.IntN(min(len(open), 40))
			q.settle(open[i], &spare)
			open = append(open[:i], open[i+1:]...)
		}
		front := q.end
		if len(open) > 0 {
			front = open[0]
		}
		if q.front != front {
			t.Fatalf("step %d: the queue begins with %d, want %d", step, q.front, front)
		}
		if pages := int(q.end-q.front)/pageItems + 2; len(q.pages) > pages {
			t.Fatalf("step %d: %d pages hold the messages %d to %d", step, len(q.pages), q.front, q.end-1)
		}
		next := 0
		for number := q.front; number < q.end; number++ {
			it := q.at(number)
			isOpen := next < len(open) && open[next] == number
			if it.settled == isOpen || isOpen != (it.message.ID == fmt.Sprint(number)) || !isOpen && it.message.ID != "" {
				t.Fatalf("step %d: message %d is %q, settled %v, want open %v", step, number, it.message.ID, it.settled, isOpen)
			}
			if isOpen {
				next++
			}
		}
	}
	if len(spare) == 0 || len(spare) > sparePages {
		t.Errorf("%d empty pages are kept, want 1 to %d", len(spare), sparePages)
	}
	for _, p := range spare {
		for i := range p {
			if p[i].message.ID != "" {
				t.Fatalf("an empty page holds message %s", p[i].message.ID)
			}
		}
	}
}
