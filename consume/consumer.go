package consume

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// Consumer runs a handler over the deliveries of a source. It is made for one Run.
type Consumer[T any] struct {
	options
	source Source[T]
	handle Handler[T]
	batch  BatchHandler[T] // in place of handle
	commit Committer[T]
	outage outage

	// What changes is guarded by mu.
	mu        sync.Mutex
	core      *Scheduler[T]
	workers   []*worker[T]
	idle      int        // workers that wait to be woken
	running   int        // workers with a batch that are not stuck in it
	work      *sync.Cond // idle workers wait here
	most      int        // deliveries in a batch
	spread    int        // how many workers are worth waking for quick handlers
	watching  bool       // the keeper looks after stuck workers
	started   bool
	ended     bool // the source has
	stopping  bool
	committed carillon.Position
	passed    uint64 // deliveries behind the committed checkpoint

	// Bells wake who waits for a change; each holds one ring.
	room, news, alarm chan struct{}
	// turn is held by whoever commits or releases.
	turn chan struct{}
}

// offerChunk is how many deliveries are offered under one lock.
const offerChunk = 64

// New makes a consumer. Nothing runs before Run.
func New[T any](source Source[T], handle Handler[T], commit Committer[T], given ...Option) *Consumer[T] {
	o := makeOptions(given)
	c := &Consumer[T]{
		options:   o,
		source:    source,
		handle:    handle,
		commit:    commit,
		core:      NewScheduler[T](o.after, o.Settings),
		workers:   make([]*worker[T], o.workers),
		committed: o.after,
		room:      make(chan struct{}, 1),
		news:      make(chan struct{}, 1),
		alarm:     make(chan struct{}, 1),
		turn:      make(chan struct{}, 1),
	}
	c.work = sync.NewCond(&c.mu)
	for _, key := range o.parked {
		c.core.Park(key)
	}
	return c
}

// NewBatched makes a consumer whose handler takes up to size deliveries, 64 at most, of different keys. It takes one at a time
// while deliveries are slow, more than 5 ms each, so that one does not hold up the others.
func NewBatched[T any](source Source[T], size int, handle BatchHandler[T], commit Committer[T], given ...Option) *Consumer[T] {
	c := New(source, nil, commit, given...)
	c.batch, c.most = handle, max(1, min(size, mostShare))
	return c
}

// Run consumes until the context ends, or the source does. When the context ends it stops fetching, lets running handlers end,
// commits what is complete and returns nil. What was in flight or held then has not been attempted: it comes again. A source
// that ends is drained to its last delivery, retries included.
//
// Otherwise Run returns why it stopped: the source's error, a [Permanent] error of a commit, or the error of the last commit when
// the drain limit passed before it succeeded. It waits for handlers: one that ignores its context holds it up.
// A second Run returns [carillon.ErrClosed].
func (c *Consumer[T]) Run(ctx context.Context) error {
	c.mu.Lock()
	again := c.started
	c.started = true
	c.spread = runtime.GOMAXPROCS(0)
	c.mu.Unlock()
	if again {
		return carillon.ErrClosed
	}

	detached := context.WithoutCancel(ctx)
	fetching, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	working, stopWorking := context.WithCancel(detached)
	defer stopWorking()
	committing, stopCommitting := context.WithCancel(detached)
	defer stopCommitting()

	var handlers, helpers sync.WaitGroup
	for i := range c.workers {
		w := &worker[T]{share: 1}
		c.workers[i] = w
	}
	for _, w := range c.workers {
		handlers.Go(func() { c.runWorker(working, w) })
	}
	stopped, drained := make(chan struct{}), make(chan struct{})
	var unfinished error
	helpers.Go(func() { c.keep(stopped) })
	helpers.Go(func() {
		if unfinished = c.commits(committing, drained); unfinished != nil {
			fail(unfinished)
		}
	})

	err := c.fetch(fetching)
	c.stop()
	close(stopped)
	limit := time.AfterFunc(c.drain, stopWorking)
	handlers.Wait()
	limit.Stop()
	close(drained)
	limit = time.AfterFunc(c.drain, stopCommitting)
	helpers.Wait()
	limit.Stop()
	if unfinished != nil {
		return unfinished
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// fetch offers what the source yields, and returns when the context ends or the source has and everything is complete.
func (c *Consumer[T]) fetch(ctx context.Context) error {
	for batch, err := range c.source(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = c.offer(ctx, batch)
		}
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for c.core.Held() > 0 {
		if err := c.await(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// offer hands a batch to the core, waiting for room.
func (c *Consumer[T]) offer(ctx context.Context, batch Batch[T]) error {
	left := batch.Deliveries
	for len(left) > 0 {
		c.mu.Lock()
		for c.core.Room() == 0 {
			if err := c.await(ctx); err != nil {
				c.mu.Unlock()
				return err
			}
		}
		n := min(len(left), offerChunk, c.core.Room())
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = c.core.Offer(left[i])
		}
		left = left[n:]
		c.wakeWorker()
		c.settle()
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.core.Skip(batch.Through)
	c.settle()
	return nil
}

// await gives up the lock until there may be room.
func (c *Consumer[T]) await(ctx context.Context) error {
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-c.room:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle rings for what a change of the core makes possible. The lock is held.
func (c *Consumer[T]) settle() {
	if c.core.Room() >= max(1, min(c.ReadAhead, c.Span)/8) || c.ended && c.core.Held() == 0 {
		ring(c.room)
	}
	if c.core.Watermark() > c.committed || c.core.parking.n > 0 {
		ring(c.news)
	}
}

// stop lets no further handler begin.
func (c *Consumer[T]) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	for _, w := range c.workers {
		c.reclaim(w)
	}
	c.work.Broadcast()
}

// Release ends the parking of a key, so that its later deliveries run again. No commit is under way while unmark runs, which
// removes the key's mark from the store: no delivery can be parked behind a key that has just been released, and none overtakes
// those parked before. When unmark fails the key stays parked. It waits for a commit that is being retried, as long as the
// context lasts. It returns [carillon.ErrClosed] when the consumer has ended before it knew what the store holds of the key.
func (c *Consumer[T]) Release(ctx context.Context, key string, unmark func(ctx context.Context) error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.turn }()
	c.mu.Lock()
	unknown := c.core.isHanding(key)
	c.mu.Unlock()
	if unknown {
		return carillon.ErrClosed
	}
	if err := unmark(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.core.Release(key)
	c.wakeWorker()
	return nil
}

// ring wakes who waits for a bell, now or when it next looks.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
