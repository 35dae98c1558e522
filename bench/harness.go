package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// scale is how much work a run of the program does.
type scale struct {
	quick       bool
	repetitions int
	duration    time.Duration // of one timed run
	events      int           // of the long logs
	small       int           // of the logs that growth is measured between
	large       int
	streams     int // of the logs that streams are loaded from
}

func fullScale() scale {
	return scale{
		repetitions: 5, duration: 1200 * time.Millisecond,
		events: 1_000_000, small: 100_000, large: 5_000_000, streams: 100,
	}
}

func quickScale() scale {
	return scale{
		quick: true, repetitions: 2, duration: 300 * time.Millisecond,
		events: 50_000, small: 5_000, large: 100_000, streams: 20,
	}
}

// workspace is where a contest keeps its files, and how much it does.
type workspace struct {
	scale
	dir string
	// retail is the retail file, postgres the URL of a database. Either is empty when there is none.
	retail, postgres string

	say func(format string, args ...any)

	mu    sync.Mutex
	files int
}

// path returns a path nothing is at.
func (w *workspace) path(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files++
	return filepath.Join(w.dir, fmt.Sprintf("%03d-%s", w.files, name))
}

// result is one timed run of a side.
type result struct {
	done  int64         // units of work
	took  time.Duration // by the clock on the wall
	busy  time.Duration // of processors
	facts map[string]float64
}

func (r result) rate() float64 { return float64(r.done) / r.took.Seconds() }

// effort is the processors' time for one unit, in microseconds.
func (r result) effort() float64 { return float64(r.busy.Nanoseconds()) / 1e3 / float64(r.done) }

// watch times a run.
type watch struct {
	start time.Time
	busy  time.Duration
}

func startWatch() watch { return watch{start: time.Now(), busy: processorTime()} }

// stop is the result of having done so much since the watch was started.
func (w watch) stop(done int64) result {
	return result{done: done, took: time.Since(w.start), busy: processorTime() - w.busy}
}

// runFunc does a side's work, for about a time where it is not done once, and says how much it was.
type runFunc func(ctx context.Context, duration time.Duration) (result, error)

// side is one way to do a piece of work. run does as much of it as fits into a duration, or all of it once, times that alone,
// and returns an error when the work was not done right.
type side struct {
	name string
	unit string
	what string
	run  runFunc
}

// measure runs a side once. In a profile its work carries its name, without commas, as the label "side".
func (s side) measure(ctx context.Context, duration time.Duration) (got result, err error) {
	runtime.GC()
	pprof.Do(ctx, pprof.Labels("side", strings.ReplaceAll(s.name, ",", "")), func(ctx context.Context) { got, err = s.run(ctx, duration) })
	if err == nil && got.done == 0 {
		err = errors.New("no work was done")
	}
	return got, err
}

// contest is several sides measured by turns, and what is claimed of them.
type contest struct {
	sides  []side
	claims []claim
	close  func() error // releases what the sides share; may be nil
}

// measured is a side with its runs, one of each repetition.
type measured struct {
	side
	results []result
}

// measure runs all sides in turn, as often as the scale says, every other time in reverse order, after a short run of each that
// does not count.
func (c *contest) measure(ctx context.Context, w *workspace) (outcome, error) {
	o := outcome{sides: make([]measured, len(c.sides))}
	for i, s := range c.sides {
		o.sides[i].side = s
	}
	for n := -1; n < w.repetitions; n++ {
		for i := range c.sides {
			if n%2 == 1 {
				i = len(c.sides) - 1 - i
			}
			duration := w.duration
			if n < 0 {
				duration /= 4
			}
			got, err := c.sides[i].measure(ctx, duration)
			err = errors.Join(err, ctx.Err())
			if err != nil {
				return outcome{}, fmt.Errorf("%s: %w", c.sides[i].name, err)
			}
			if n >= 0 {
				o.sides[i].results = append(o.sides[i].results, got)
				w.say("  %d/%d  %-56s %12.0f %s/s %8.2f µs busy", n+1, w.repetitions, c.sides[i].name, got.rate(), c.sides[i].unit,
					got.effort())
			}
		}
	}
	return o, nil
}

// crowd lets callers work at the same time until the duration is over, and counts. work does one unit: the nth of a caller. Once
// one fails all stop.
func crowd(callers int, duration time.Duration, work func(caller, n int) error) (result, error) {
	var over atomic.Bool
	counts := make([]int64, callers)
	watch := startWatch()
	timer := time.AfterFunc(duration, func() { over.Store(true) })
	defer timer.Stop()
	err := together(callers, func(caller int) error {
		done := 0
		for !over.Load() {
			if err := work(caller, done); err != nil {
				over.Store(true)
				return err
			}
			done++
		}
		counts[caller] = int64(done)
		return nil
	})
	got := watch.stop(0)
	for _, count := range counts {
		got.done += count
	}
	return got, err
}

// together lets callers work at the same time, each once, and waits for all.
func together(callers int, work func(caller int) error) error {
	var running sync.WaitGroup
	failures := make([]error, callers)
	for caller := range callers {
		running.Go(func() {
			if err := work(caller); err != nil {
				failures[caller] = fmt.Errorf("caller %d: %w", caller, err)
			}
		})
	}
	running.Wait()
	return errors.Join(failures...)
}

// onProcessors runs a side on a number of processors.
func onProcessors(n int, run runFunc) runFunc {
	return func(ctx context.Context, duration time.Duration) (result, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
		return run(ctx, duration)
	}
}
