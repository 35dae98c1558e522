package consume_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon/consume"
)

// TestShutdownDrains has the context end while a handler runs: it may end, no other begins, and what is complete is committed.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		handle := func(ctx context.Context, value string) error {
			j.note(value)
			return pause(ctx, 5*time.Second)
		}
		var s store
		r := run(t, consume.New(endless(deliver(0, "a1", "b1", "a2", "c1")), handle, s.commit, consume.Workers(2)))
		r.wait(t, time.Second)
		r.stop()
		took, err := r.end()
		if err != nil || took != 5*time.Second {
			t.Errorf("Run returned %v after %v", err, took)
		}
		if checkpoint, _ := s.at(); checkpoint != 2 || j.len() != 2 {
			t.Errorf("checkpoint %d, handled %v", checkpoint, j.order)
		}
	})
}

// TestShutdownTakesBack has the context end while workers have taken many deliveries each: none of them begins after that.
func TestShutdownTakesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		start := time.Now()
		var begun, late atomic.Int32
		handle := func(ctx context.Context, value int) error {
			begun.Add(1)
			if time.Since(start) > 0 {
				late.Add(1)
			}
			if value != 5000 {
				return nil
			}
			stop()
			return pause(ctx, 500*time.Microsecond)
		}
		if err := consume.New(benchSource(10_000, benchNames()[:1000]), handle, noCommit).Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := late.Load(); n > 0 || begun.Load() < 4000 {
			t.Errorf("%d of %d handlers began after the end", n, begun.Load())
		}
	})
}

// TestShutdownIsNoAttempt has handlers fail because their context ends: they would be parked if it counted.
func TestShutdownIsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, permanent := range map[string]bool{"an error": false, "a permanent error": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				handle := func(ctx context.Context, value string) error {
					if value == "a1" {
						return nil
					}
					err := pause(ctx, time.Hour)
					if permanent {
						err = consume.Permanent(err)
					}
					return err
				}
				var s store
				source := endless(deliver(0, "a1", "b1", "c1"))
				r := run(t, consume.New(source, handle, s.commit, consume.WithRetry(consume.Retry{Attempts: 1}), consume.DrainLimit(3*time.Second)))
				r.wait(t, time.Second)
				r.stop()
				if took, err := r.end(); err != nil || took != 4*time.Second {
					t.Errorf("Run returned %v after %v", err, took)
				}
				if checkpoint, letters := s.at(); checkpoint != 1 || len(letters) != 0 {
					t.Errorf("checkpoint %d, letters %v", checkpoint, letters)
				}
			})
		})
	}
}

// TestShutdownCommits has the context end while a commit waits for its next attempt: that comes at once, and has a limit.
func TestShutdownCommits(t *testing.T) {
	t.Parallel()
	for _, want := range []error{nil, errBroken} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var stopped atomic.Bool
				var s store
				s.before = func(context.Context, int) error {
					if stopped.Load() {
						return want
					}
					return errBroken
				}
				handle := func(_ context.Context, value string) error {
					if value == "b1" {
						return consume.Permanent(errBroken)
					}
					return nil
				}
				retry := consume.Retry{First: time.Hour, Last: time.Hour}
				r := run(t, consume.New(endless(deliver(0, "a1", "b1")), handle, s.commit, consume.WithRetry(retry)))
				r.wait(t, time.Second)
				stopped.Store(true)
				r.stop()
				took, err := r.end()
				if !errors.Is(err, want) {
					t.Errorf("Run returned %v", err)
				}
				checkpoint, letters := s.at()
				if want == nil && (checkpoint != 2 || len(letters) != 1 || took != time.Second) {
					t.Errorf("checkpoint %d, letters %v after %v", checkpoint, letters, took)
				}
				if want != nil && (checkpoint != 0 || took != 11*time.Second) {
					t.Errorf("checkpoint %d after %v", checkpoint, took)
				}
			})
		})
	}
}
