package watermill

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
)

// reader hands the deliveries of a subscription to a user of watermill, one after the other.
type reader struct {
	subscriber *Subscriber
	joined     carillon.Subscription
	topic      string
	out        chan *message.Message

	more chan struct{} // says that there is something to settle

	mu       sync.Mutex
	held     []carillon.Delivery // with the user or before them
	finished []carillon.Delivery // acknowledged, not settled
}

func newReader(s *Subscriber, joined carillon.Subscription, topic string) *reader {
	return &reader{subscriber: s, joined: joined, topic: topic, out: make(chan *message.Message), more: make(chan struct{}, 1)}
}

// run hands out deliveries until the context ends, and settles what is acknowledged.
func (r *reader) run(ctx context.Context) {
	settling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { r.settle(settling) })
	if extender, ok := r.joined.(carillon.Extender); ok {
		beside.Go(func() { r.extend(settling, extender) })
	}
	r.read(ctx)
	stop()
	beside.Wait()
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), r.subscriber.timeout)
	defer end()
	if all := r.take(); len(all) > 0 {
		if err := r.joined.Ack(ctx, all); err != nil {
			r.warn("not settled, the messages may come again", err)
		}
	}
	if err := r.joined.Close(); err != nil {
		r.warn("a subscription did not close", err)
	}
}

// read receives, and hands out what it has received.
func (r *reader) read(ctx context.Context) {
	for pause := firstPause; ; {
		deliveries, err := r.joined.Receive(ctx, r.subscriber.options.MaxUnsettled)
		if err == nil {
			pause = firstPause
			r.mu.Lock()
			r.held = append(r.held, deliveries...)
			r.mu.Unlock()
			for i := range deliveries {
				if !r.hand(ctx, &deliveries[i]) {
					return
				}
			}
			continue
		}
		if ctx.Err() != nil || errors.Is(err, carillon.ErrClosed) {
			return
		}
		r.warn("not received, which is tried again", err)
		if !wait(ctx, pause) {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// The pauses after a failure.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// hand gives a delivery to the user until it is acknowledged or lost. It returns false when the context has ended before.
func (r *reader) hand(ctx context.Context, d *carillon.Delivery) bool {
	for !isClosed(d.Lost) {
		m := encode(&d.Message)
		m.Payload = slices.Clone(m.Payload) // the user may change it, and it may come again
		given, stop := context.WithCancel(ctx)
		m.SetContext(given)
		acked, again := r.give(ctx, d, m)
		stop()
		switch {
		case acked:
			r.finish(d)
			return true
		case !again:
			return false
		case !isClosed(d.Lost) && !wait(ctx, r.subscriber.pause):
			return false
		}
	}
	r.drop()
	return true
}

// give hands out a message and waits for what becomes of it. It comes again when it was refused, and is looked at again when it is lost.
func (r *reader) give(ctx context.Context, d *carillon.Delivery, m *message.Message) (acked, again bool) {
	select {
	case r.out <- m:
	case <-d.Lost:
		return false, true
	case <-ctx.Done():
		return false, false
	}
	select {
	case <-m.Acked():
		return true, false
	case <-m.Nacked():
		return false, true
	case <-d.Lost:
		return false, true
	case <-ctx.Done():
		return isClosed(m.Acked()), false
	}
}

// finish notes a delivery as acknowledged.
func (r *reader) finish(d *carillon.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = append(r.finished, *d)
	r.held = r.held[1:] // they are handed out in order
	wake(r.more)
}

// drop forgets the delivery that is next, which another consumer has.
func (r *reader) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = r.held[1:]
}

// take returns what is to be settled.
func (r *reader) take() []carillon.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.finished
	r.finished = nil
	return all
}

// settle settles what was acknowledged, and what comes together together, until the context ends. What could not be settled is tried again.
func (r *reader) settle(ctx context.Context) {
	for pause := firstPause; ; {
		select {
		case <-r.more:
		case <-ctx.Done():
			return
		}
		all := r.take()
		if len(all) == 0 {
			continue
		}
		err := r.joined.Ack(ctx, all)
		if err == nil {
			pause = firstPause
			continue
		}
		r.mu.Lock()
		r.finished = append(all, r.finished...)
		r.mu.Unlock()
		wake(r.more)
		if ctx.Err() != nil {
			return
		}
		r.warn("not settled, which is tried again", err)
		if !wait(ctx, pause) {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// extend keeps deliveries from being given to others, three times within a deadline.
func (r *reader) extend(ctx context.Context, extender carillon.Extender) {
	for wait(ctx, r.subscriber.options.AckDeadline/3) {
		r.mu.Lock()
		all := slices.Concat(r.held, r.finished)
		r.mu.Unlock()
		if len(all) == 0 {
			continue
		}
		if err := extender.Extend(ctx, all); err != nil && ctx.Err() == nil {
			r.warn("deliveries not extended, they may come again", err)
		}
	}
}

func (r *reader) warn(what string, err error) {
	r.subscriber.log.Warn(what, //nolint:sloglint // the callers' texts are constants
		slog.String("subscription", r.subscriber.name), slog.String("topic", r.topic), slog.Any("error", err))
}

// wait lets time pass, and reports whether the context goes on.
func wait(ctx context.Context, long time.Duration) bool {
	if long <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
