package consume_test

import (
	"fmt"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// TestManyKeys has thousands of keys come and go among a thousand that are parked: each is found again, and none is kept.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	const parked, rounds = 1000, 20_000
	core := consume.NewScheduler[bool](0, consume.Settings{})
	for i := range parked {
		core.Park(fmt.Sprintf("parked-%d", i))
	}
	var tasks [8]consume.Task[bool]
	letters := 0
	for i := range rounds {
		key, isParked := fmt.Sprintf("key-%d", i/2), i%5 == 0
		if isParked {
			key = fmt.Sprintf("parked-%d", i%parked)
		}
		if err := core.Offer(consume.Delivery[bool]{Position: carillon.Position(i + 1), Key: key, Value: isParked}); err != nil {
			t.Fatal(err)
		}
		if i%16 != 15 {
			continue
		}
		for n := core.Take(tasks[:]); n > 0; n = core.Take(tasks[:]) {
			for _, task := range tasks[:n] {
				if task.Value {
					t.Fatalf("%q runs though it is parked", task.Key)
				}
				core.Done(task)
			}
		}
		commit := core.Prepare(nil, rounds)
		for _, letter := range commit.Letters {
			if !letter.Delivery.Value {
				t.Fatalf("%q is parked", letter.Delivery.Key)
			}
		}
		letters += len(commit.Letters)
		core.Parked(commit.Letters...)
	}
	if letters != rounds/5 || core.Watermark() != rounds || core.Keys() != parked {
		t.Errorf("%d letters, watermark %d, %d keys", letters, core.Watermark(), core.Keys())
	}
	for i := range parked {
		core.Release(fmt.Sprintf("parked-%d", i))
		if left := core.Keys(); left != parked-1-i {
			t.Fatalf("%d keys are left after %d were released", left, i+1)
		}
	}
}
