package grouping

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func one(int) int { return 1 }

func TestCallsThatComeMeanwhileShareABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		g := New(3, one, func(batch []int) {
			batches = append(batches, batch)
			<-time.After(time.Second) // the commit
		})
		var calls sync.WaitGroup
		for i := range 6 {
			calls.Go(func() {
				if _, err := g.Do(t.Context(), i); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		calls.Wait()
		g.Wait()
		want := [][]int{{0}, {1, 2, 3}, {4, 5}}
		if !slices.EqualFunc(batches, want, slices.Equal) {
			t.Errorf("batches %v, want %v", batches, want)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var committed []int
		g := New(1, one, func(batch []int) {
			<-time.After(time.Second)
			committed = append(committed, batch...)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var calls sync.WaitGroup
		for i := range 2 { // the first is under way, the second waits
			calls.Go(func() {
				left, err := g.Do(ctx, i)
				if left != (i == 1) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("call %d: left %v, %v", i, left, err)
				}
			})
			synctest.Wait()
		}
		calls.Wait()
		g.Wait()
		if !slices.Equal(committed, []int{0}) {
			t.Errorf("committed %v, want the one that was under way", committed)
		}
	})
}
