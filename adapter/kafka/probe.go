package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/carillon-go/carillon"
)

// Probe implements [carillon.Prober]. What consumers of other processes hold counts as waiting, and how long the oldest has been there
// is not told.
func (b *broker) Probe(ctx context.Context, name, subscription string) (carillon.Backlog, error) {
	within, leave, err := b.enter(ctx)
	if err != nil {
		return carillon.Backlog{}, err
	}
	defer leave()
	t, err := b.declared(within, name, subscription)
	if err != nil {
		return carillon.Backlog{}, failure(ctx, err)
	}
	var backlog carillon.Backlog
	err = persist(within, func() (err error) {
		backlog, err = b.backlog(within, t, t.group(subscription))
		return err
	})
	return backlog, failure(ctx, err)
}

func (b *broker) backlog(ctx context.Context, t *topic, group string) (carillon.Backlog, error) {
	committed, err := b.admin.FetchOffsets(ctx, group)
	if err != nil {
		return carillon.Backlog{}, err
	}
	waits := make([]int64, t.partitions) // the offset behind what was delivered or settled
	for partition := range waits {
		offset, ok := committed.Lookup(t.name, int32(partition))
		if !ok || offset.Err != nil || offset.At < 0 {
			return carillon.Backlog{}, fmt.Errorf("offset of partition %d: %w", partition, carillon.ErrUnavailable)
		}
		waits[partition] = offset.At
	}
	var backlog carillon.Backlog
	for _, s := range b.joined(group) {
		backlog.Unsettled += s.held(waits)
	}
	listed, err := b.admin.ListCommittedOffsets(ctx, t.name)
	if err != nil {
		return carillon.Backlog{}, err
	}
	started, err := b.admin.ListStartOffsets(ctx, t.name)
	if err != nil {
		return carillon.Backlog{}, err
	}
	for partition, next := range waits {
		end, ok := listed.Lookup(t.name, int32(partition))
		start, there := started.Lookup(t.name, int32(partition))
		if !ok || !there || end.Err != nil || start.Err != nil {
			return carillon.Backlog{}, fmt.Errorf("end of partition %d: %w", partition, carillon.ErrUnavailable)
		}
		backlog.Waiting += max(0, end.Offset-max(next, start.Offset))
	}
	return backlog, nil
}

// joined returns this client's consumers of a group.
func (b *broker) joined(group string) []*subscription {
	return slices.DeleteFunc(b.lifetime.Joined(), func(s *subscription) bool { return s.group != group })
}

// held returns how many deliveries this consumer has not settled, and raises the offsets of the partitions it has to what it was given.
func (s *subscription) held(waits []int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, p := range s.partitions {
		if int(id) < len(waits) {
			waits[id] = max(waits[id], p.next)
		}
	}
	return int64(s.unsettled)
}
