package redisstream

import (
	"context"
	"time"

	"github.com/carillon-go/carillon"
)

// Probe asks how much is not settled, and how much of it consumers hold, as they last told.
func (b *Broker) Probe(ctx context.Context, name, subscription string) (carillon.Backlog, error) {
	ctx, end, err := b.begin(ctx)
	if err != nil {
		return carillon.Backlog{}, err
	}
	defer end()
	t, err := b.with(ctx, name, subscription)
	if err != nil {
		return carillon.Backlog{}, err
	}
	keys := []string{b.names.topic(name), b.names.subscription(name, subscription)}
	result, err := b.run(ctx, b.scripts.probe, keys, t.partitions)
	if err != nil {
		return carillon.Backlog{}, err
	}
	var numbers [3]int64
	all, _ := result.([]any)
	for i := range min(len(all), len(numbers)) {
		numbers[i], _ = all[i].(int64)
	}
	total, held := max(numbers[0], 0), min(max(numbers[1], 0), max(numbers[0], 0))
	backlog := carillon.Backlog{Waiting: total - held, Unsettled: held}
	if total > 0 && numbers[2] > 0 {
		backlog.Oldest = time.Duration(numbers[2]) * time.Millisecond
	}
	return backlog, nil
}
