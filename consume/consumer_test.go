package consume_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// TestConsumerKeepsOrderPerKey runs many deliveries of few keys, with a small read-ahead, through handlers of all speeds.
func TestConsumerKeepsOrderPerKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches []consume.Batch[string]
		for at := 0; at < 4000; at += 100 {
			var values []string
			for i := at; i < at+100; i++ {
				values = append(values, fmt.Sprintf("%c%d", "abcdefghijklm-"[i*i%14], i))
			}
			batches = append(batches, deliver(carillon.Position(at), values...))
		}
		var mu sync.Mutex
		last, busy := map[byte]int{}, map[byte]bool{}
		handle := func(ctx context.Context, value string) error {
			key := value[0]
			var number int
			if _, err := fmt.Sscanf(value[1:], "%d", &number); err != nil {
				return consume.Permanent(err)
			}
			mu.Lock()
			if key != '-' && (busy[key] || number < last[key]) {
				t.Errorf("%s runs behind %d, busy %v", value, last[key], busy[key])
			}
			busy[key], last[key] = true, number
			mu.Unlock()
			if number%7 == 0 {
				_ = pause(ctx, time.Duration(number%5)*time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			busy[key] = false
			return nil
		}
		var s store
		if _, err := run(t, consume.New(finite(batches...), handle, s.commit, consume.ReadAhead(50))).end(); err != nil {
			t.Fatal(err)
		}
		if s.checkpoint != 4000 || s.deliveries != 4000 || len(s.letters) != 0 {
			t.Errorf("checkpoint %d after %d deliveries and %d letters", s.checkpoint, s.deliveries, len(s.letters))
		}
	})
}

// TestLanesMultiply has a handler wait for a millisecond: 64 lanes take a sixty-fourth of the time of one.
func TestLanesMultiply(t *testing.T) {
	t.Parallel()
	took := func(lanes int) (elapsed time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			wait := func(ctx context.Context, _ int) error { return pause(ctx, time.Millisecond) }
			c := consume.New(benchSource(6400, benchNames()[:640]), wait, noCommit, consume.Workers(lanes))
			var err error
			if elapsed, err = run(t, c).end(); err != nil {
				t.Fatal(err)
			}
		})
		return elapsed
	}
	one, many := took(1), took(64)
	if one != 6400*time.Millisecond {
		t.Errorf("one lane took %v", one)
	}
	if many != one/64 {
		t.Errorf("64 lanes took %v, not a sixty-fourth of %v", many, one)
	}
}

// TestIdleWorkersAreWoken has all of them idle when there is work for all of them.
func TestIdleWorkersAreWoken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := func(ctx context.Context) iter.Seq2[consume.Batch[string], error] {
			return func(yield func(consume.Batch[string], error) bool) {
				yield(consume.Batch[string]{}, pause(ctx, time.Second))
				yield(deliver(0, many(64)...), nil)
			}
		}
		var s store
		handle := func(ctx context.Context, _ string) error { return pause(ctx, time.Second) }
		took, err := run(t, consume.New(source, handle, s.commit, consume.Workers(64))).end()
		if err != nil || took != 2*time.Second || s.checkpoint != 64 {
			t.Errorf("Run returned %v after %v at checkpoint %d", err, took, s.checkpoint)
		}
	})
}

// TestSmallBounds goes on with bounds of all sizes.
func TestSmallBounds(t *testing.T) {
	t.Parallel()
	for _, bounds := range [][2]int{{1, 1}, {1, 1000}, {1000, 1}, {1000, 5}, {3, 2}} {
		t.Run(fmt.Sprint(bounds), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s store
				handle := func(context.Context, string) error { return nil }
				c := consume.New(finite(deliver(0, many(300)...)), handle, s.commit, consume.ReadAhead(bounds[0]), consume.Span(bounds[1]))
				if _, err := run(t, c).end(); err != nil || s.checkpoint != 300 {
					t.Errorf("Run returned %v at checkpoint %d", err, s.checkpoint)
				}
			})
		})
	}
}

// TestSlowHandlerHoldsUpNobody has handlers be quick until workers take many deliveries at a time, and then one that is slow.
func TestSlowHandlerHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		handled := make(map[int]time.Duration)
		var mu sync.Mutex
		start := time.Now()
		handle := func(ctx context.Context, value int) error {
			if value == 5000 {
				_ = pause(ctx, time.Second)
			}
			mu.Lock()
			defer mu.Unlock()
			handled[value] = time.Since(start)
			return nil
		}
		if _, err := run(t, consume.New(benchSource(10_000, benchNames()[:1000]), handle, noCommit)).end(); err != nil {
			t.Fatal(err)
		}
		if len(handled) != 10_000 {
			t.Fatalf("%d handled", len(handled))
		}
		for value, at := range handled {
			held := value >= 5000 && value%1000 == 0 // its own key
			if held != (at >= time.Second) || !held && at > 10*time.Millisecond {
				t.Errorf("%d was handled after %v", value, at)
			}
		}
	})
}

// TestSourceErrorEndsRun has a source fail: what came before is handled and committed.
func TestSourceErrorEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the log is gone")
		source := func(context.Context) iter.Seq2[consume.Batch[string], error] {
			return func(yield func(consume.Batch[string], error) bool) {
				if yield(deliver(0, "a1", "b1"), nil) {
					synctest.Wait()
					yield(consume.Batch[string]{}, broken)
				}
			}
		}
		var s store
		handle := func(ctx context.Context, _ string) error { return pause(ctx, time.Second) }
		if _, err := run(t, consume.New(source, handle, s.commit)).end(); !errors.Is(err, broken) {
			t.Errorf("Run returned %v", err)
		}
		if s.checkpoint != 2 {
			t.Errorf("checkpoint %d", s.checkpoint)
		}
	})
}

func TestSourceOutOfOrderEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s store
		handle := func(context.Context, string) error { return nil }
		_, err := run(t, consume.New(finite(deliver(4, "a1"), deliver(3, "a2")), handle, s.commit)).end()
		if !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestRunIsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s store
		c := consume.New(finite(), func(context.Context, string) error { return nil }, s.commit)
		if err := c.Run(t.Context()); err != nil {
			t.Errorf("the first run: %v", err)
		}
		if err := c.Run(t.Context()); !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("the second run: %v", err)
		}
	})
}

// TestRetries watches a delivery that fails twice: it comes again after pauses within their bounds, before its key goes on, and
// holds up nobody else.
func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		handle := func(_ context.Context, value string) error {
			if j.note(value) <= 2 && value == "a1" {
				return errors.New("not yet")
			}
			return nil
		}
		var s store
		if _, err := run(t, consume.New(finite(deliver(0, "a1", "a2", "b1", "b2")), handle, s.commit)).end(); err != nil {
			t.Fatal(err)
		}
		tries := j.of("a1")
		if len(tries) != 3 || tries[0] != 0 || tries[1] > 100*time.Millisecond || tries[2] == 0 || tries[2]-tries[1] > 200*time.Millisecond {
			t.Errorf("tried at %v", tries)
		}
		if b := j.of("b2"); len(b) != 1 || b[0] != 0 {
			t.Errorf("another key went on at %v", b)
		}
		if a := j.of("a2"); len(a) != 1 || a[0] < tries[2] {
			t.Errorf("the key went on at %v", a)
		}
		if s.checkpoint != 4 || len(s.letters) != 0 {
			t.Errorf("checkpoint %d, %d letters", s.checkpoint, len(s.letters))
		}
	})
}

// TestParking has a key fail for good, by a panic, while others go on: letters and checkpoint come in the same commit.
func TestParking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		handle := func(_ context.Context, value string) error {
			j.note(value)
			if value == "a2" {
				panic("no such customer")
			}
			return nil
		}
		var s store
		source := endless(deliver(0, "a1", "a2", "b1", "a3", "c1"), deliver(5, "b2", "x1", "a4", "c2"))
		r := run(t, consume.New(source, handle, s.commit, consume.Parked("x", "y")))
		r.wait(t, time.Minute)
		r.stop()
		if _, err := r.end(); err != nil {
			t.Fatal(err)
		}
		checkpoint, letters := s.at()
		if diff := cmp.Diff([]string{"x1", "a2", "a3", "a4"}, letters); diff != "" || checkpoint != 9 {
			t.Errorf("checkpoint %d, letters (-want +got):\n%s", checkpoint, diff)
		}
		if n := len(j.of("a2")); n != 5 {
			t.Errorf("%d attempts", n)
		}
		if n := len(j.of("a3")) + len(j.of("a4")) + len(j.of("x1")); n != 0 {
			t.Errorf("%d deliveries ran behind a parked one", n)
		}
		if got := j.of("c2"); len(got) != 1 || got[0] != 0 {
			t.Errorf("another key went on at %v", got)
		}
		if letter := s.letters[1]; letter.Attempts != 5 || !strings.Contains(letter.Stack, "TestParking") ||
			letter.Cause.Error() != "handler panicked: no such customer" || !letter.Last.After(letter.First) {
			t.Errorf("the letter says %+v", letter)
		}
	})
}

// TestRelease has a key run again, behind everything that was parked. The release waits for the commit under way, and nothing
// is committed until it has ended.
func TestRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var s store
		s.before = func(ctx context.Context, number int) error { return pause(ctx, time.Second) }
		handle := func(_ context.Context, value string) error {
			j.note(value)
			return nil
		}
		more := make(chan consume.Batch[string])
		source := func(ctx context.Context) iter.Seq2[consume.Batch[string], error] {
			return func(yield func(consume.Batch[string], error) bool) {
				for batch := range more {
					if !yield(batch, nil) {
						return
					}
				}
			}
		}
		c := consume.New(source, handle, s.commit, consume.Parked("a"))
		r := run(t, c)
		more <- deliver(0, "a1", "b1")
		synctest.Wait() // the commit that parks a1 is under way
		err := c.Release(t.Context(), "a", func(ctx context.Context) error {
			before, letters := s.at()
			if len(letters) != 1 {
				t.Errorf("%d letters when the key is released", len(letters))
			}
			more <- deliver(2, "a2", "b2")
			if err := pause(ctx, time.Minute); err != nil {
				return err
			}
			if checkpoint, letters := s.at(); checkpoint != before || len(letters) != 1 {
				t.Errorf("committed during the release: %d, %d letters", checkpoint, len(letters))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Release(t.Context(), "b", func(context.Context) error { return errBroken }); !errors.Is(err, errBroken) {
			t.Errorf("a release that fails: %v", err)
		}
		close(more)
		if _, err := r.end(); err != nil {
			t.Fatal(err)
		}
		if checkpoint, letters := s.at(); checkpoint != 4 || len(letters) != 1 {
			t.Errorf("checkpoint %d, %d letters", checkpoint, len(letters))
		}
		if got := j.of("a2"); len(got) != 1 || got[0] < time.Minute {
			t.Errorf("the key ran at %v", got)
		}
	})
}
