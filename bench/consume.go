package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// The sides of the contest on consuming.
const (
	oneLane         = "consume, handler waits 1 ms: one lane"
	manyLanes       = "consume, handler waits 1 ms: 64 lanes"
	handConsume     = "consume, empty handler: by hand"
	productConsume  = "consume, empty handler: Carillon"
	consumeLanes    = 64
	handLanes       = 8
	handLaneBuffer  = 128
	deliveredKeys   = 10_000
	deliveriesBatch = 256
)

// consumers holds the runtime of consumers, in memory, against itself with one lane and against lanes by hand.
func consumers(context.Context, *workspace) (*contest, error) {
	keys := make([]string, deliveredKeys)
	for i := range keys {
		keys[i] = customerKey(i)
	}
	waiting := func(lanes int) func(context.Context, time.Duration) (result, error) {
		return func(ctx context.Context, duration time.Duration) (result, error) {
			return consumeWaiting(ctx, keys, lanes, duration)
		}
	}
	return &contest{
		sides: []side{
			{name: oneLane, unit: "deliveries", what: "consume.New with one worker", run: waiting(1)},
			{name: manyLanes, unit: "deliveries", what: "consume.New with 64 workers, 10,000 keys in turn", run: waiting(consumeLanes)},
			{
				name: handConsume, unit: "deliveries", what: "8 goroutines with a channel each, keys hashed to them; no retries, no checkpoint, no bound but the channels",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return consumeByHand(ctx, keys, duration)
				},
			},
			{
				name: productConsume, unit: "deliveries", what: "consume.New with 64 workers, 10,000 keys in turn",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return consumeWith(ctx, newDeliveries(keys, duration), consumeLanes, func(context.Context, int) error { return nil })
				},
			},
		},
		claims: []claim{
			{
				work: "keyed-ordered consume, 64 lanes, handler waits 1 ms", against: "64 × one lane", floor: 0.95,
				value: per(consumeLanes, ratio(manyLanes, oneLane)),
			},
			{
				work: "keyed-ordered consume, empty handler", against: "hand-written 8 keyed lanes over channels", floor: 0.30,
				value: ratio(productConsume, handConsume),
			},
		},
	}, nil
}

// per divides a value.
func per(n float64, value func(outcome) (spread, string)) func(outcome) (spread, string) {
	return func(o outcome) (spread, string) {
		s, best := value(o)
		return spread{Median: s.Median / n, Low: s.Low / n, High: s.High / n}, best
	}
}

// deliveries yields deliveries over keys in turn until the duration is over.
type deliveries struct {
	keys     []string
	duration time.Duration
	sent     int64
}

func newDeliveries(keys []string, duration time.Duration) *deliveries {
	return &deliveries{keys: keys, duration: duration}
}

// source is a source of deliveries. Its batches are only good until the next.
func (d *deliveries) source(context.Context) iter.Seq2[consume.Batch[int], error] {
	return func(yield func(consume.Batch[int], error) bool) {
		var over atomic.Bool
		timer := time.AfterFunc(d.duration, func() { over.Store(true) })
		defer timer.Stop()
		batch := make([]consume.Delivery[int], 0, deliveriesBatch)
		for at := 0; !over.Load(); {
			batch = batch[:0]
			for ; len(batch) < deliveriesBatch; at++ {
				batch = append(batch, consume.Delivery[int]{Position: carillon.Position(at + 1), Key: d.keys[at%len(d.keys)], Value: at})
			}
			d.sent = int64(at)
			if !yield(consume.Batch[int]{Deliveries: batch, Through: carillon.Position(at)}, nil) {
				return
			}
		}
	}
}

// consumeWith runs a consumer to the end of its source. What it commits must be all that was sent.
func consumeWith(ctx context.Context, d *deliveries, lanes int, handle consume.Handler[int]) (result, error) {
	var through carillon.Position
	var committed int64
	commit := func(_ context.Context, c consume.Commit[int]) error {
		through = c.Through
		committed += int64(c.Deliveries)
		if len(c.Letters) > 0 {
			return consume.Permanent(errors.New("a delivery failed"))
		}
		return nil
	}
	watch := startWatch()
	err := consume.New(d.source, handle, commit, consume.Workers(lanes)).Run(ctx)
	got := watch.stop(d.sent)
	if err == nil && (committed != d.sent || int64(through) != d.sent) {
		err = fmt.Errorf("%d deliveries were sent, %d committed through %d", d.sent, committed, through)
	}
	return got, err
}

// consumeWaiting runs a handler that waits for a millisecond, and checks the order of each key.
func consumeWaiting(ctx context.Context, keys []string, lanes int, duration time.Duration) (result, error) {
	last := make([]int, len(keys)) // the number of the delivery that each key awaits, less its place: no two of a key run at a time
	var handled atomic.Int64
	var disorder atomic.Bool
	got, err := consumeWith(ctx, newDeliveries(keys, duration), lanes, func(_ context.Context, value int) error {
		key := value % len(keys)
		if value/len(keys) != last[key] {
			disorder.Store(true)
		}
		<-time.After(time.Millisecond)
		last[key]++
		handled.Add(1)
		return nil
	})
	if err == nil && (disorder.Load() || handled.Load() != got.done) {
		err = fmt.Errorf("%d of %d deliveries were handled, out of order: %t", handled.Load(), got.done, disorder.Load())
	}
	return got, err
}

// consumeByHand is the program one would write instead.
func consumeByHand(ctx context.Context, keys []string, duration time.Duration) (result, error) {
	empty := func(context.Context, int) error { return nil }
	seed := maphash.MakeSeed()
	var lanes [handLanes]chan consume.Delivery[int]
	var handled [handLanes]int64
	var failures [handLanes]error
	var ended sync.WaitGroup
	d := newDeliveries(keys, duration)
	watch := startWatch()
	for i := range lanes {
		lanes[i] = make(chan consume.Delivery[int], handLaneBuffer)
		ended.Go(func() {
			count := int64(0)
			for delivery := range lanes[i] {
				if err := empty(ctx, delivery.Value); err != nil {
					failures[i] = err
				}
				count++
			}
			handled[i] = count
		})
	}
	for batch, err := range d.source(ctx) {
		if err != nil {
			return result{}, err
		}
		for _, delivery := range batch.Deliveries {
			lanes[maphash.String(seed, delivery.Key)%handLanes] <- delivery
		}
	}
	for _, lane := range lanes {
		close(lane)
	}
	ended.Wait()
	got := watch.stop(d.sent)
	all := int64(0)
	for _, count := range handled {
		all += count
	}
	err := errors.Join(failures[:]...)
	if err == nil && all != d.sent {
		err = fmt.Errorf("%d deliveries were sent, %d handled", d.sent, all)
	}
	return got, err
}
