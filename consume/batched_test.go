package consume_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/consume"
)

// TestBatchesHoldDifferentKeys hands deliveries over together: of each key one at a time, in order, and one that fails alone comes again.
func TestBatchesHoldDifferentKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var values []string
		for i := range 600 {
			values = append(values, string("abcdef"[i%6])+string(rune('0'+i/6%10)))
		}
		var mu sync.Mutex
		largest, failed := 0, false
		handled := map[byte][]string{}
		handle := func(_ context.Context, batch []string) []error {
			mu.Lock()
			defer mu.Unlock()
			largest = max(largest, len(batch))
			errs := make([]error, len(batch))
			keys := map[byte]bool{}
			for i, value := range batch {
				if keys[value[0]] {
					t.Errorf("batch %v holds a key twice", batch)
				}
				keys[value[0]] = true
				if value == "c7" && !failed {
					failed = true
					errs[i] = errors.New("not yet")
					continue
				}
				handled[value[0]] = append(handled[value[0]], value)
			}
			return errs
		}
		var s store
		consumer := consume.NewBatched(finite(deliver(0, values...)), 4, handle, s.commit, consume.Workers(2))
		if _, err := run(t, consumer).end(); err != nil {
			t.Fatal(err)
		}
		if largest != 4 || !failed || s.checkpoint != 600 {
			t.Errorf("the largest batch had %d deliveries, the checkpoint is %d", largest, s.checkpoint)
		}
		want := map[byte][]string{}
		for _, value := range values {
			want[value[0]] = append(want[value[0]], value)
		}
		if diff := cmp.Diff(want, handled); diff != "" {
			t.Error(diff)
		}
	})
}

// TestSlowBatchesAreSmall takes one delivery at a time when deliveries are slow, and when a handler panics all of its batch comes again.
func TestSlowBatchesAreSmall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var values []string
		for i := range 40 {
			values = append(values, string(rune('a'+i%26))+string(rune('0'+i/26)))
		}
		var mu sync.Mutex
		var sizes []int
		handle := func(ctx context.Context, batch []string) []error {
			_ = pause(ctx, 20*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, len(batch))
			if len(sizes) == 10 {
				panic("once")
			}
			return nil
		}
		var s store
		if _, err := run(t, consume.NewBatched(finite(deliver(0, values...)), 64, handle, s.commit, consume.Workers(1))).end(); err != nil {
			t.Fatal(err)
		}
		for i, size := range sizes {
			if size != 1 {
				t.Errorf("batch %d has %d deliveries", i+1, size)
			}
		}
		if len(sizes) != len(values)+1 || s.checkpoint != 40 {
			t.Errorf("%d batches, checkpoint %d", len(sizes), s.checkpoint)
		}
	})
}
