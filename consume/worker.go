package consume

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
)

const (
	// mostShare is how many deliveries a worker takes at a time, of as many keys.
	mostShare = 64
	// quick is how long a handler may take, on average, for its worker to take several deliveries: no longer than it is worth to
	// save the lock.
	quick = 2 * time.Microsecond
	// quickBatched is how long a delivery may take, on average, for a worker to take several deliveries into a batch.
	quickBatched = 5 * time.Millisecond
	// reclaimed is a claim beyond every batch.
	reclaimed = 1 << 30
)

// worker runs handlers. It takes one delivery at a time, or several while handlers are quick. Those it has not begun can be
// taken back from it, so that a handler that turns out slow holds up its own key alone.
type worker[T any] struct {
	// next is how many tasks of the batch have been claimed. The worker counts it up before each; whoever reclaims the rest swaps
	// in a number beyond the batch.
	next  atomic.Int32
	tasks [mostShare]Task[T]
	// errs are the outcomes: those of tasks before the last claimed one may be read by whoever reclaims.
	errs [mostShare]error
	// values are those of the batch, for a batch handler.
	values []T

	// The rest is guarded by the consumer's lock.
	taken    int // tasks of the batch that are the worker's to run
	reported int // of them, how many have been given back to the core
	share    int // how many to take next
	busy     bool
	stuck    bool  // in the same batch for a while
	rounds   int64 // batches begun
	seen     int64 // rounds when the keeper last looked
}

// runWorker runs batch after batch until the consumer stops.
func (c *Consumer[T]) runWorker(ctx context.Context, w *worker[T]) {
	c.mu.Lock()
	for c.take(w) {
		taken := w.taken
		c.mu.Unlock()
		start := time.Now()
		ran := c.runBatch(ctx, w, taken)
		end := time.Now()
		c.mu.Lock()
		c.finish(w, ran, end)
		enough, most := quick, mostShare
		if c.batch != nil {
			enough, most = quickBatched, c.most
		}
		switch average := end.Sub(start) / time.Duration(max(1, ran)); {
		case average > enough:
			w.share = 1
		default:
			w.share = min(2*w.share, most)
		}
	}
	c.mu.Unlock()
}

// runBatch handles the tasks of a batch until all are claimed, and returns how many it handled.
func (c *Consumer[T]) runBatch(ctx context.Context, w *worker[T], taken int) int {
	if c.batch != nil {
		c.runTogether(ctx, w, taken)
		return taken
	}
	for i := range taken {
		if int(w.next.Add(1)) != i+1 {
			return i
		}
		task := &w.tasks[i]
		err := safely(ctx, c.handle, task.Value)
		w.errs[i] = err
		c.logOutcome(task, err)
	}
	return taken
}

// runTogether has the batch handler handle a batch.
func (c *Consumer[T]) runTogether(ctx context.Context, w *worker[T], taken int) {
	w.values = w.values[:0]
	for i := range taken {
		w.values = append(w.values, w.tasks[i].Value)
	}
	var errs []error
	panicked := safely(ctx, func(ctx context.Context, values []T) error {
		errs = c.batch(ctx, values)
		return nil
	}, w.values)
	for i := range taken {
		w.errs[i] = panicked
		if i < len(errs) {
			w.errs[i] = errs[i]
		}
		c.logOutcome(&w.tasks[i], w.errs[i])
	}
	clear(w.values)
}

// logOutcome logs a failure, and what is refused again and again only now and then.
func (c *Consumer[T]) logOutcome(task *Task[T], err error) {
	if errors.Is(err, carillon.ErrUnavailable) && task.Attempt < c.Retry.Attempts && !isPermanent(err) {
		c.outage.refuse(c.logger, task.Position, task.Key, err)
		return
	}
	c.outage.pass(c.logger, task.Position)
	if err != nil {
		c.logger.Warn("delivery failed", position(task.Position), slog.String("key", task.Key),
			slog.Int("attempt", task.Attempt), slog.Any("error", err))
	}
}

// safely turns a panic into an error.
func safely[T any](ctx context.Context, handle Handler[T], value T) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &PanicError{Value: cause, Stack: string(debug.Stack())}
		}
	}()
	return handle(ctx, value)
}

// take waits for work and takes a batch; false when the consumer stops.
func (c *Consumer[T]) take(w *worker[T]) bool {
	for !c.stopping && c.core.Ready() == 0 {
		c.idle++
		c.work.Wait()
	}
	if c.stopping {
		return false
	}
	share := min(w.share, (c.core.Ready()+c.spread-1)/c.spread)
	if c.batch != nil { // one large transaction is better than two
		share = min(w.share, c.core.Ready())
	}
	w.taken, w.reported = c.core.Take(w.tasks[:share]), 0
	w.next.Store(0)
	w.busy, w.stuck = true, false
	w.rounds++
	c.running++
	c.wakeNext(w)
	if w.share > 1 && !c.watching && c.batch == nil {
		c.watching = true
		ring(c.alarm)
	}
	return true
}

// wakeNext has one idle worker take what a worker has left. While handlers are quick they only compute, and more workers than
// processors would be in each other's way.
func (c *Consumer[T]) wakeNext(w *worker[T]) {
	if w.share == 1 || c.running < c.spread {
		c.wakeWorker()
	}
}

// wakeWorker wakes an idle worker when there is work. The lock is held.
func (c *Consumer[T]) wakeWorker() {
	if c.core.Ready() > 0 && c.idle > 0 {
		c.idle--
		c.work.Signal()
	}
}

// finish gives a batch back to the core.
func (c *Consumer[T]) finish(w *worker[T], ran int, now time.Time) {
	c.report(w, ran, now)
	clear(w.tasks[:w.taken])
	clear(w.errs[:w.taken])
	w.busy = false
	if !w.stuck {
		c.running--
	}
	c.settle()
}

// report gives the outcomes of the tasks up to one to the core.
func (c *Consumer[T]) report(w *worker[T], upTo int, now time.Time) {
	for ; w.reported < upTo; w.reported++ {
		task := w.tasks[w.reported]
		switch err := w.errs[w.reported]; {
		case err == nil:
			c.core.Done(task)
		case c.stopping:
			c.core.Return(task)
		default:
			c.core.Fail(task, err, now)
			ring(c.alarm)
		}
	}
}

// reclaim takes back what a worker has not begun of its batch, and reports what it has ended. The lock is held.
func (c *Consumer[T]) reclaim(w *worker[T]) {
	if !w.busy || c.batch != nil { // a batch handler has all of its batch
		return
	}
	claimed := int(w.next.Swap(reclaimed))
	if claimed >= reclaimed || claimed == w.taken && w.taken == 1 {
		return
	}
	// A worker that has ended its batch has claimed all of it, like one that runs the last task.
	c.report(w, max(0, claimed-1), time.Now())
	for i := w.taken - 1; i >= claimed; i-- {
		c.core.Return(w.tasks[i])
	}
	clear(w.tasks[claimed:w.taken])
	w.taken = claimed
	c.settle()
}
