package messaging

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

const (
	// relayName is the subscription the relay has in the store's topics.
	relayName = "relay"
	// relayBatch is how many messages go to the broker in one call, at most, and relayLanes how many calls are under way.
	relayBatch = 512
	relayLanes = 2
	// relayUnsettled is how many messages are read and not settled, at most: it bounds the memory that a relay takes.
	relayUnsettled = relayLanes * relayBatch
	// firstPause and lastPause bound the wait between tries of what fails; it doubles from one to the other.
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// relay passes on to the broker what a topic of the store holds, and settles it when the broker has confirmed it: at least once, in order
// for each key. The keys are spread over lanes, so that one is being confirmed while another is being written, and more is read
// meanwhile. The store's topic shares its partitions out among the relays of all processes.
type relay struct {
	engine *Engine
	topic  string
}

func (r *relay) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.pass(ctx)
		if ctx.Err() == nil {
			r.engine.logger.Error("relay failed, trying again", slog.String("topic", r.topic), slog.Any("error", err))
			pause(ctx, firstPause)
		}
	}
}

// pass passes messages on until something fails.
func (r *relay) pass(ctx context.Context) error {
	kept, err := r.engine.outbox.Subscribe(ctx, r.topic, relayName, carillon.SubscribeOptions{
		Consumer: relayName, MaxUnsettled: relayUnsettled,
	})
	if err != nil {
		return err
	}
	passing, end := context.WithCancelCause(ctx)
	var lanes [relayLanes]chan []carillon.Delivery
	var running sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan []carillon.Delivery, relayUnsettled) // there is room for all that can wait
		running.Go(func() {
			for waiting := range lanes[i] {
				for len(waiting) < relayBatch && len(lanes[i]) > 0 {
					waiting = append(waiting, <-lanes[i]...)
				}
				for batch := range slices.Chunk(waiting, relayBatch) {
					if passing.Err() != nil { // nothing goes out behind what failed
						break
					}
					if err := r.hand(passing, kept, batch); err != nil {
						end(err)
					}
				}
			}
		})
	}
	end(r.feed(passing, kept, &lanes))
	for _, lane := range lanes {
		close(lane)
	}
	running.Wait()
	return errors.Join(context.Cause(passing), kept.Close())
}

// feed hands what it receives to the lanes until something fails. A key is always in the same.
func (r *relay) feed(ctx context.Context, kept carillon.Subscription, lanes *[relayLanes]chan []carillon.Delivery) error {
	for {
		deliveries, err := kept.Receive(ctx, relayLanes*relayBatch)
		if err != nil {
			return err
		}
		var parts [relayLanes][]carillon.Delivery
		for i := range deliveries {
			lane := i % relayLanes
			if key := deliveries[i].Message.Key; key != "" {
				lane = carillon.Partition(key, relayLanes)
			}
			parts[lane] = append(parts[lane], deliveries[i])
		}
		for lane, part := range parts {
			if len(part) > 0 {
				lanes[lane] <- part
			}
		}
	}
}

// hand publishes deliveries until the broker has confirmed all of them, and settles those it has.
func (r *relay) hand(ctx context.Context, kept carillon.Subscription, left []carillon.Delivery) error {
	wait := firstPause
	for len(left) > 0 {
		wave, rest := left, []carillon.Delivery(nil)
		if !r.engine.broker.Capabilities().OrderedPublish {
			wave, rest = oneOfEachKey(left)
		}
		messages := make([]carillon.Message, len(wave))
		for i := range wave {
			messages[i] = wave[i].Message
		}
		err := r.engine.send(ctx, r.engine.broker, r.topic, messages)
		done, failed := split(wave, err)
		if len(done) > 0 {
			if err := kept.Ack(ctx, done); err != nil {
				return err
			}
			wait = firstPause
		}
		left = append(failed, rest...)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.engine.logger.Warn("messages not confirmed, publishing them again", slog.String("topic", r.topic),
				slog.Int("messages", len(failed)), slog.Any("error", err))
			if len(done) == 0 {
				pause(ctx, wait)
				wait = min(2*wait, lastPause)
			}
		}
	}
	return nil
}

// oneOfEachKey takes the first delivery of each key: where the broker may confirm a message and not the one before it, the second of a
// key waits for the first.
func oneOfEachKey(all []carillon.Delivery) (firsts, rest []carillon.Delivery) {
	seen := make(map[string]bool, len(all))
	for _, delivery := range all {
		key := delivery.Message.Key
		if key != "" && seen[key] {
			rest = append(rest, delivery)
			continue
		}
		seen[key] = true
		firsts = append(firsts, delivery)
	}
	return firsts, rest
}

// split tells the deliveries that were confirmed from those that were not.
func split(all []carillon.Delivery, err error) (done, failed []carillon.Delivery) {
	if err == nil {
		return all, nil
	}
	unconfirmed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok {
		return nil, all
	}
	next := 0
	for i := range all {
		if next < len(unconfirmed.Unconfirmed) && unconfirmed.Unconfirmed[next] == i {
			failed = append(failed, all[i])
			next++
			continue
		}
		done = append(done, all[i])
	}
	return done, failed
}

// patiently tries again for as long as the broker cannot be reached.
func patiently(ctx context.Context, logger *slog.Logger, what string, try func() error) error {
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		err := try()
		if !errors.Is(err, carillon.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		logger.Warn("broker unavailable, trying again", slog.String("what", what), slog.Duration("after", wait), slog.Any("error", err))
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
