package messaging

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// worker runs a consumer.
type worker struct {
	*Consumer
	engine       *Engine
	ref          carillon.ModelRef
	subscription carillon.Subscription
	holding      *holding
}

// delivery is a message in the hands of a worker.
type delivery struct {
	carillon.Delivery
	attempts int               // handlings that failed and count
	first    time.Time         // when the first of them did
	whole    *carillon.Message // with the payload that was elsewhere, while it is handled
}

func newWorker(e *Engine, c *Consumer) *worker {
	return &worker{Consumer: c, engine: e, ref: carillon.ModelRef{Name: c.name}}
}

// run consumes until the context ends, joining the subscription again when it fails.
func (w *worker) run(ctx context.Context) {
	for wait := firstPause; ctx.Err() == nil; wait = min(2*wait, lastPause) {
		began := time.Now()
		if err := w.consume(ctx); err != nil && ctx.Err() == nil {
			w.engine.logger.Error("consumer failed, trying again", slog.String("consumer", w.name), slog.Any("error", err))
			if time.Since(began) > lastPause {
				wait = firstPause
			}
			pause(ctx, wait)
		}
	}
}

func (w *worker) consume(ctx context.Context) error {
	parked, err := w.parkedBefore(ctx)
	if err != nil {
		return err
	}
	joined, err := w.engine.broker.Subscribe(ctx, w.topic.Name(), w.name, carillon.SubscribeOptions{MaxUnsettled: w.readAhead, AckDeadline: w.deadline})
	if err != nil {
		return err
	}
	w.subscription = joined
	w.holding = newHolding(joined, w.deadline, w.engine.logger)
	holding, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.holding.keep(holding)
	}()
	retrying, stopRetries := context.WithCancel(ctx)
	retried := make(chan struct{})
	go func() {
		defer close(retried)
		w.retries(retrying, parked)
	}()
	retry := w.retry
	retry.Attempts = 1 << 30 // the worker counts, and parks
	consumer := consume.NewBatched(w.source, w.batch, w.handle, func(context.Context, consume.Commit[*delivery]) error { return nil },
		consume.WithRetry(retry), consume.ReadAhead(w.readAhead), consume.Workers(w.workers()), consume.WithLogger(w.engine.logger))
	err = consumer.Run(ctx)
	stopRetries()
	<-retried
	stop()
	<-ended
	return errors.Join(err, joined.Close())
}

// workers is how many batches are handled at a time: a store for one process has one writer, commands are appended in groups.
func (w *worker) workers() int {
	for _, h := range w.handlers {
		if h.isOutside() {
			return 4
		}
	}
	return 1
}

// source yields the subscription's deliveries, numbered in the order they come.
func (w *worker) source(ctx context.Context) iter.Seq2[consume.Batch[*delivery], error] {
	return func(yield func(consume.Batch[*delivery], error) bool) {
		var position carillon.Position
		for {
			var received []carillon.Delivery
			err := patiently(ctx, w.engine.logger, "receive", func() (err error) {
				received, err = w.subscription.Receive(ctx, w.readAhead)
				return err
			})
			if err != nil {
				yield(consume.Batch[*delivery]{}, err)
				return
			}
			w.received(ctx, received)
			next := consume.Batch[*delivery]{Deliveries: make([]consume.Delivery[*delivery], len(received))}
			for i := range received {
				position++
				d := &delivery{Delivery: received[i]}
				next.Deliveries[i] = consume.Delivery[*delivery]{Position: position, Key: received[i].Message.Key, Value: d}
				w.holding.add(d)
			}
			next.Through = position
			if !yield(next, nil) {
				return
			}
		}
	}
}

// handle handles deliveries of different keys. One that was given to somebody else is let go.
func (w *worker) handle(ctx context.Context, batch []*delivery) []error {
	ctx, stop := w.holding.guard(ctx, batch)
	defer stop()
	errs := make([]error, len(batch))
	left := make([]int, 0, len(batch))
	for i, d := range batch {
		if !isLost(d) {
			left = append(left, i)
		}
	}
	if len(left) > 0 {
		w.handleLeft(ctx, batch, left, errs)
	}
	settled := make([]carillon.Delivery, 0, len(batch))
	for i, d := range batch {
		if isLost(d) {
			errs[i] = nil // another consumer has it
		} else if errs[i] == nil {
			settled = append(settled, d.Delivery)
		}
		if errs[i] == nil {
			w.holding.remove(d)
		}
	}
	if len(settled) > 0 {
		if err := w.settle(context.WithoutCancel(ctx), settled); err != nil {
			w.engine.logger.Warn("not settled, the messages may come again", slog.String("consumer", w.name), slog.Any("error", err))
		}
	}
	return errs
}

// mostTogether is how often a batch is tried with less and less in it, before each is tried by itself.
const mostTogether = 3

// handleLeft handles deliveries, all together unless their payloads are too large for that.
func (w *worker) handleLeft(ctx context.Context, batch []*delivery, left []int, errs []error) {
	for len(left) > 0 {
		n := portion(batch, left)
		w.handleTogether(ctx, batch, w.fetch(ctx, batch, left[:n], errs), errs)
		for _, i := range left[:n] {
			batch[i].whole = nil
		}
		left = left[n:]
	}
}

// handleTogether handles deliveries in one transaction, without those that fail.
func (w *worker) handleTogether(ctx context.Context, batch []*delivery, left []int, errs []error) {
	left = w.sendCommands(ctx, batch, left, errs)
	for try := 0; len(left) > 1 && try < mostTogether; try++ {
		failed, err := w.transact(ctx, batch, left)
		if err == nil {
			return
		}
		if failed < 0 { // the transaction itself: nobody's fault
			for _, i := range left {
				errs[i] = err
			}
			return
		}
		errs[left[failed]] = w.failed(ctx, batch[left[failed]], err)
		left = append(left[:failed:failed], left[failed+1:]...)
	}
	for _, i := range left {
		failed, err := w.transact(ctx, batch, []int{i})
		if failed >= 0 {
			err = w.failed(ctx, batch[i], err)
		}
		errs[i] = err
	}
}

// failed counts a failure. When the attempts are used up the message is parked, which is an outcome and no error.
func (w *worker) failed(ctx context.Context, d *delivery, cause error) error {
	if ctx.Err() != nil || errors.Is(cause, carillon.ErrUnavailable) {
		return cause
	}
	var permanent *consume.PermanentError
	d.attempts++
	if d.first.IsZero() {
		d.first = now()
	}
	most := w.retry.Attempts
	if most <= 0 {
		most = 5
	}
	if d.attempts < most && !errors.As(cause, &permanent) {
		return cause
	}
	if err := w.park(ctx, d, cause); err != nil {
		d.attempts-- // it is tried once more, and then parked
		return fmt.Errorf("%w; it was not parked: %w", cause, err)
	}
	w.engine.logger.Error("message parked", slog.String("consumer", w.name), slog.String("message", d.Message.ID),
		slog.String("key", d.Message.Key), slog.Any("error", cause))
	return nil
}

// find returns the handler of a message with its value; ok is false when the consumer has none.
func (w *worker) find(m *carillon.Message) (h handler, value any, ok bool, err error) {
	known, carried := w.topic.byName[m.Type]
	if !carried {
		return h, nil, false, consume.Permanent(fmt.Errorf("topic %q carries no %q: %w", w.topic.Name(), m.Type, carillon.ErrUnknownType))
	}
	if h, ok = w.handlers[known.payload]; !ok {
		return h, nil, false, nil
	}
	if value, err = h.decode(w.engine.codec, m.Payload); err != nil {
		return h, nil, false, consume.Permanent(fmt.Errorf("decode %s %q: %w", m.Kind, m.Type, err))
	}
	return h, value, true, nil
}

// isOutside reports whether a message is answered with a command or a call.
func (w *worker) isOutside(m *carillon.Message) bool {
	known, ok := w.topic.byName[m.Type]
	return ok && w.handlers[known.payload].isOutside()
}
