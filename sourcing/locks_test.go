package sourcing

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// take takes locks that are expected to be free at some time.
func take(t *testing.T, l *locks, keys ...string) (release func()) {
	t.Helper()
	release, err := l.take(t.Context(), keys)
	if err != nil {
		t.Error(err)
		return func() {}
	}
	return release
}

func TestLocksAreKeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l locks
		releaseA := take(t, &l, "a")
		take(t, &l, "b")() // does not wait for a
		taken := false
		go func() {
			release := take(t, &l, "a", "b")
			taken = true
			release()
		}()
		synctest.Wait()
		if taken {
			t.Error("a was taken twice")
		}
		releaseA()
		synctest.Wait()
		if !taken {
			t.Error("a was released and not taken")
		}
		if len(l.held) != 0 {
			t.Errorf("%d locks are kept that nobody has", len(l.held))
		}
	})
}

// TestLocksAreGivenUp ends the context of a caller that has one lock and waits for the next.
func TestLocksAreGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l locks
		releaseB := take(t, &l, "b")
		ctx, cancel := context.WithCancel(t.Context())
		var failure error
		go func() { _, failure = l.take(ctx, []string{"a", "b", "c"}) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(failure, context.Canceled) {
			t.Errorf("error %v", failure)
		}
		take(t, &l, "a")()
		take(t, &l, "c")()
		releaseB()
		take(t, &l, "b")()
		if len(l.held) != 0 {
			t.Errorf("%d locks are kept that nobody has", len(l.held))
		}
	})
}

// TestLocksExclude has 64 callers take overlapping sets of keys, with and without patience, and counts who holds each key.
func TestLocksExclude(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l locks
		var mu sync.Mutex
		holders := make(map[string]int)
		count := func(keys []string, by int) {
			mu.Lock()
			defer mu.Unlock()
			for _, key := range keys {
				if holders[key] += by; holders[key] > 1 {
					t.Errorf("%d callers hold %s", holders[key], key)
				}
			}
		}
		all := []string{"a", "b", "c", "d", "e"}
		var callers sync.WaitGroup
		gaveUp, held := 0, 0
		for range 64 {
			callers.Go(func() {
				for range 50 {
					keys := slices.Clone(all)
					rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
					keys = keys[:1+rand.N(3)]
					slices.Sort(keys)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(20))*time.Millisecond)
					release, err := l.take(ctx, keys)
					cancel()
					if err != nil {
						mu.Lock()
						gaveUp++
						mu.Unlock()
						continue
					}
					count(keys, 1)
					<-time.After(time.Duration(rand.N(3)) * time.Millisecond)
					count(keys, -1)
					release()
					mu.Lock()
					held++
					mu.Unlock()
				}
			})
		}
		callers.Wait()
		if gaveUp == 0 || held == 0 {
			t.Errorf("%d callers gave up, %d did not: one of them was not tested", gaveUp, held)
		}
		if len(l.held) != 0 {
			t.Errorf("%d locks are kept that nobody has", len(l.held))
		}
	})
}
