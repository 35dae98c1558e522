// Package grouping gathers concurrent calls into batches, so that one commit serves all of them.
package grouping

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// Group carries out what its callers hand over, one batch at a time, in the order of the calls. A lone call does not wait for others.
// It starts a goroutine while there is work, and none otherwise.
type Group[T any] struct {
	limit  int
	weight func(T) int
	commit func(batch []T)

	mu      sync.Mutex
	queue   []*call[T]
	leading bool
	last    int // how many calls the last batch had
	idle    sync.WaitGroup
}

type call[T any] struct {
	item T
	done chan struct{}
}

// New makes a group. A batch has one item at least, and further ones as long as their weights together do not exceed the limit. commit
// is called by one goroutine at a time, and leaves each item's outcome in the item.
func New[T any](limit int, weight func(T) int, commit func(batch []T)) *Group[T] {
	return &Group[T]{limit: limit, weight: weight, commit: commit}
}

// Do hands an item over and waits until its batch was committed. The context's error means that the caller did not wait for the end:
// the item may be committed later, unless left says that it never will be.
func (g *Group[T]) Do(ctx context.Context, item T) (left bool, err error) {
	c := &call[T]{item: item, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, c)
	if !g.leading {
		g.leading = true
		g.idle.Go(g.lead)
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return false, nil
	case <-ctx.Done():
		return g.leave(c), ctx.Err()
	}
}

// Wait returns once nothing is under way. It is not called at the same time as Do.
func (g *Group[T]) Wait() { g.idle.Wait() }

func (g *Group[T]) leave(c *call[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, c)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	return i >= 0
}

func (g *Group[T]) lead() {
	for {
		Crowd(g.size)
		batch := g.take()
		if len(batch) == 0 {
			return
		}
		items := make([]T, len(batch))
		for i, c := range batch {
			items[i] = c.item
		}
		g.commit(items)
		for _, c := range batch {
			close(c.done)
		}
	}
}

// Crowd lets callers who were just answered queue again before the next commit, which costs as much for one as for many. size says how many
// the last commit answered, and how many wait now. It ends as soon as yielding the processor brings nobody new, so a lone caller does not
// wait.
func Crowd(size func() (last, waiting int)) {
	last, waiting := size()
	for last > 1 && waiting < last {
		runtime.Gosched()
		_, now := size()
		if now == waiting {
			return
		}
		waiting = now
	}
}

func (g *Group[T]) size() (last, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last, len(g.queue)
}

// take removes the next batch from the queue. When there is none the group is idle.
func (g *Group[T]) take() []*call[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	count, weight := 0, 0
	for count < len(g.queue) {
		weight += g.weight(g.queue[count].item)
		if count > 0 && weight > g.limit {
			break
		}
		count++
	}
	batch := slices.Clone(g.queue[:count])
	g.queue = slices.Delete(g.queue, 0, count)
	g.last = count
	g.leading = count > 0
	return batch
}
