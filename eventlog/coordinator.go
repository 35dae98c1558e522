package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/grouping"
)

// maxBatch is the most events one transaction takes, so that no caller waits long behind a burst.
const maxBatch = 4096

// coordinator gathers concurrent appends into batches. The first caller to find nobody leading leads: it takes everything that
// waits, commits it, hands out the verdicts and names the next caller in the queue leader. So there is no goroutine to start
// or stop, and a lone append goes straight through.
type coordinator struct {
	log *Log

	mu      sync.Mutex
	queue   []*pending
	leading bool
	// last is the size of the last batch: more than one means that callers come in crowds.
	last int
}

// pending is one caller's place in the queue.
type pending struct {
	append   carillon.Append
	barrier  bool              // waits its turn and appends nothing
	after    carillon.Position // what is appended here stands behind it
	state    pendingState
	appended carillon.Appended
	err      error
	wake     chan pendingState // tells a caller who waits that it is promoted, or done
}

type pendingState uint8

const (
	queued pendingState = iota
	promoted
	inFlight
	done
)

func (c *coordinator) append(ctx context.Context, a carillon.Append) (carillon.Appended, error) {
	p := &pending{append: a}
	if err := c.run(ctx, p); err != nil {
		return carillon.Appended{}, err
	}
	return p.appended, p.err
}

// settle returns once every append handed over before it has an outcome.
func (c *coordinator) settle(ctx context.Context) error {
	return c.run(ctx, &pending{barrier: true})
}

// run takes p through the queue. An error means that p was not, or may not have been, carried out.
func (c *coordinator) run(ctx context.Context, p *pending) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.after = c.log.head.position()
	c.mu.Lock()
	c.queue = append(c.queue, p)
	if !c.leading {
		c.leading = true
		c.mu.Unlock()
		c.lead(ctx, p)
		return nil
	}
	p.wake = make(chan pendingState, 1)
	c.mu.Unlock()

	for {
		select {
		case state := <-p.wake:
			if state == promoted {
				c.lead(ctx, p)
			}
			return nil
		case <-ctx.Done():
			if left, err := c.leave(p, ctx.Err()); left {
				return err
			}
		}
	}
}

// leave takes p out of the queue because its caller lost patience. left is false when the outcome is there already.
func (c *coordinator) leave(p *pending, cause error) (left bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch p.state {
	case queued:
		c.remove(p)
		return true, cause
	case promoted:
		c.remove(p)
		c.promote()
		return true, cause
	case inFlight:
		if p.barrier {
			return true, cause
		}
		return true, p.unknown(cause)
	default:
		return false, nil
	}
}

func (c *coordinator) remove(p *pending) {
	if i := slices.Index(c.queue, p); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
}

// promote names the next leader; the caller holds the lock and leads no more.
func (c *coordinator) promote() {
	if len(c.queue) == 0 {
		c.leading = false
		return
	}
	next := c.queue[0]
	next.state = promoted
	next.wake <- promoted
}

// lead commits one batch, the leader's own append in it, and passes leadership on.
func (c *coordinator) lead(ctx context.Context, own *pending) {
	grouping.Crowd(c.size)
	batch := c.take()
	c.commit(context.WithoutCancel(ctx), batch)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = len(batch)
	for _, p := range batch {
		p.state = done
		if p != own { // who is awake already
			p.wake <- done
		}
	}
	c.promote()
}

func (c *coordinator) size() (last, waiting int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, len(c.queue)
}

// take removes the next batch from the queue, at least one append.
func (c *coordinator) take() []*pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	count, events := 0, 0
	for count < len(c.queue) {
		events += len(c.queue[count].append.Events)
		if count > 0 && events > maxBatch {
			break
		}
		c.queue[count].state = inFlight
		count++
	}
	batch := slices.Clone(c.queue[:count])
	c.queue = slices.Delete(c.queue, 0, count)
	return batch
}

// commit hands a batch to the port and gives each of its appends an outcome.
func (c *coordinator) commit(ctx context.Context, batch []*pending) {
	appends := make([]carillon.Append, 0, len(batch))
	for _, p := range batch {
		if !p.barrier {
			appends = append(appends, p.append)
		}
	}
	if len(appends) == 0 {
		return
	}
	verdicts, err := c.appendBatch(ctx, appends)
	var last carillon.Position
	for _, p := range batch {
		switch {
		case p.barrier:
		case errors.Is(err, carillon.ErrOutcomeUnknown):
			p.err = p.unknown(err)
		case err != nil:
			p.err = err
		default:
			p.appended, p.err = verdicts[0].Appended, verdicts[0].Err
			verdicts = verdicts[1:]
			last = max(last, p.appended.Last)
		}
	}
	c.log.head.advance(last)
}

// appendToPort calls the port; a panic there must not leave the other callers of the batch waiting for ever.
func (c *coordinator) appendToPort(ctx context.Context, appends []carillon.Append) (verdicts []carillon.Verdict, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the store panicked: %v: %w", cause, carillon.ErrOutcomeUnknown)
		}
	}()
	if err := c.log.head.know(ctx, c.log.port); err != nil {
		return nil, err
	}
	verdicts, err = c.log.port.Append(ctx, appends)
	if err == nil && len(verdicts) != len(appends) {
		return nil, fmt.Errorf("the store gave %d verdicts for %d appends: %w", len(verdicts), len(appends), carillon.ErrOutcomeUnknown)
	}
	return verdicts, err
}

// unknown is the outcome of an append whose commit nobody saw answered.
func (p *pending) unknown(cause error) error {
	first := p.append.Events[0]
	return &carillon.OutcomeUnknownError{After: p.after, EventID: first.ID, Events: len(p.append.Events), Cause: cause}
}
