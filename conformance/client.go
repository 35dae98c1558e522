package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/anishathalye/porcupine"

	"github.com/carillon-go/carillon"
)

// client calls the log in its own goroutine, one call at a time, and notes what it saw and when.
type client struct {
	*subject
	*generator

	number int
	clock  *atomic.Int64
	seen   []porcupine.Operation
	// unknown are batches whose outcome nobody knows, with the times when they were handed over and given up.
	unknown []porcupine.Operation
}

func newClient(s *subject, number int, seed uint64, clock *atomic.Int64) *client {
	return &client{subject: s, generator: newGenerator(s, seed), number: number, clock: clock}
}

// note makes a call and notes it. Call and return are numbered by a clock that all clients share.
func (c *client) note(call func() (observation, error)) error {
	called := c.clock.Add(1)
	if c.chance(12) { // also where calls are too short to overlap
		runtime.Gosched()
	}
	seen, err := call()
	if err == nil && seen != nil {
		c.seen = append(c.seen, c.operation(seen, called, c.clock.Add(1)))
	}
	return err
}

func (c *client) operation(seen observation, called, returned int64) porcupine.Operation {
	return porcupine.Operation{ClientId: c.number, Input: seen, Call: called, Return: returned}
}

// run makes a number of calls. The ids of commands move on with their number, so that clients meet one another's.
func (c *client) run(ctx context.Context, calls int) error {
	for i := range calls {
		c.commands = []string{fmt.Sprint("command-", i/16), fmt.Sprint("command-", i/16+1)}
		var err error
		switch dice := c.generator.random.IntN(100); {
		case dice < 50:
			err = c.appendOnce(ctx)
		case dice < 65:
			err = c.note(func() (observation, error) { return c.readPage(ctx) })
		case dice < 78:
			err = c.note(func() (observation, error) { return c.readStream(ctx) })
		case dice < 88:
			err = c.note(func() (observation, error) { return c.readHead(ctx) })
		default:
			err = c.note(func() (observation, error) { return c.readCommand(ctx) })
		}
		if err != nil {
			return fmt.Errorf("client %d, call %d: %w", c.number+1, i+1, err)
		}
		if c.chance(50) {
			runtime.Gosched()
		}
	}
	return nil
}

// appendOnce appends a small batch with guards made from what the client has seen. Some are cancelled before or meanwhile.
func (c *client) appendOnce(ctx context.Context) error {
	batch := c.batch(1 + c.generator.random.IntN(5)/4)
	if c.chance(5) {
		var cancelling sync.WaitGroup
		defer cancelling.Wait()
		interrupted, cancel := context.WithCancel(ctx)
		yields := c.generator.random.IntN(60)
		if yields < 20 {
			cancel()
		}
		cancelling.Go(func() {
			for range yields {
				runtime.Gosched()
			}
			cancel()
		})
		ctx = interrupted
	}
	called := c.clock.Load()
	err := c.note(func() (observation, error) {
		verdicts, err := c.subject.append(ctx, batch...)
		for i := range verdicts {
			c.learn(&batch[i], verdicts[i])
		}
		return &appendSeen{batch, verdicts}, err
	})
	switch {
	case errors.Is(err, carillon.ErrOutcomeUnknown):
		seen := &unknownSeen{batch, make([]carillon.Position, len(batch))}
		c.unknown = append(c.unknown, c.operation(seen, called, c.clock.Add(1)))
		return nil
	case err != nil && isContextError(err) && ctx.Err() != nil:
		return nil // it did not take place: nothing of it may be seen
	default:
		return err
	}
}

// learn takes up what a verdict says of the log.
func (c *client) learn(a *carillon.Append, verdict carillon.Verdict) {
	conflict, _ := errors.AsType[*carillon.ConflictError](verdict.Err)
	switch {
	case verdict.Err == nil && !verdict.Appended.Duplicate:
		c.head = verdict.Appended.Last
		c.versions[a.Stream] = verdict.Appended.Version
	case conflict != nil && conflict.Guard == carillon.GuardVersion:
		c.versions[a.Stream] = conflict.Actual
	case conflict != nil:
		c.head = max(c.head, conflict.Position)
	}
}

func (c *client) readPage(ctx context.Context) (observation, error) {
	random := c.generator.random
	seen := &pageSeen{query: randomQuery(random, c.types, c.tags), limit: 1 + random.IntN(20)}
	if seen.after = max(0, c.head-carillon.Position(random.IntN(8))); c.chance(3) {
		seen.after = carillon.Position(random.Int64N(int64(c.head) + 1))
	}
	var err error
	seen.page, err = readPage(ctx, c.log, seen.query, seen.after, seen.limit)
	if err == nil && !seen.page.More {
		c.head = max(c.head, seen.page.Through)
	}
	return seen, err
}

// readStream reads few events, since a log may give longer reads in pieces.
func (c *client) readStream(ctx context.Context) (observation, error) {
	random := c.generator.random
	seen := &streamSeen{stream: pick(random, c.streams), limit: 1 + random.IntN(3)}
	seen.after = max(0, c.versions[seen.stream]-random.Int64N(4))
	var err error
	seen.events, err = readStream(ctx, c.log, seen.stream, seen.after, seen.limit)
	c.versions[seen.stream] = max(c.versions[seen.stream], seen.after+int64(len(seen.events)))
	return seen, err
}

func (c *client) readHead(ctx context.Context) (observation, error) {
	head, err := c.log.Head(ctx)
	c.head = head
	return &headSeen{head}, err
}

func (c *client) readCommand(ctx context.Context) (observation, error) {
	seen := &commandSeen{id: pick(c.generator.random, c.commands)}
	record, err := c.log.Command(ctx, seen.id)
	switch {
	case errors.Is(err, carillon.ErrNotFound):
		return seen, nil
	case err != nil:
		return nil, fmt.Errorf("command %q: %w", seen.id, err)
	}
	seen.record = &record
	return seen, nil
}
