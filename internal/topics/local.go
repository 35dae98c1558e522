package topics

import (
	"context"
	"slices"
	"sync"
)

// Local are the shares of tables that one process uses: who has what is kept in memory, how far it has come in the tables.
type Local struct {
	load func(ctx context.Context, subscription int64) (positions []int64, err error)
	note func(ctx context.Context, subscription int64, checkpoints []Checkpoint) error

	mu            sync.Mutex
	subscriptions map[int64]*localShares
}

type localShares struct {
	consumers []string // in order of name
	shares    []localShare
}

type localShare struct {
	Share

	held, ahead int64
}

// NewLocal makes shares. load reads the checkpoints of a subscription, one for each partition, and note writes some.
func NewLocal(
	load func(ctx context.Context, subscription int64) ([]int64, error),
	note func(ctx context.Context, subscription int64, checkpoints []Checkpoint) error,
) *Local {
	return &Local{load: load, note: note, subscriptions: make(map[int64]*localShares)}
}

// find returns the shares of a subscription. The lock is held.
func (l *Local) find(ctx context.Context, subscription int64) (*localShares, error) {
	if s := l.subscriptions[subscription]; s != nil {
		return s, nil
	}
	positions, err := l.load(ctx, subscription)
	if err != nil {
		return nil, err
	}
	s := &localShares{shares: make([]localShare, len(positions))}
	for partition, position := range positions {
		s.shares[partition].Share = Share{Partition: partition, Position: position, Free: true}
	}
	l.subscriptions[subscription] = s
	return s, nil
}

// Beat adds a consumer if it is new, and returns how the subscription stands.
func (l *Local) Beat(ctx context.Context, member Member) (Standing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.find(ctx, member.Subscription)
	if err != nil {
		return Standing{}, err
	}
	if i, found := slices.BinarySearch(s.consumers, member.Consumer); !found {
		s.consumers = slices.Insert(s.consumers, i, member.Consumer)
	}
	standing := Standing{Consumers: slices.Clone(s.consumers), Shares: make([]Share, len(s.shares))}
	for i := range s.shares {
		standing.Shares[i] = s.shares[i].Share
	}
	return standing, nil
}

// Claim takes partitions.
func (l *Local) Claim(ctx context.Context, member Member, partitions []int) ([]Share, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.find(ctx, member.Subscription)
	if err != nil {
		return nil, err
	}
	var claimed []Share
	for _, partition := range partitions {
		share := &s.shares[partition]
		if share.Free || share.Consumer == member.Consumer {
			share.Consumer, share.Free, share.held, share.ahead = member.Consumer, false, 0, 0
			share.Epoch++
			claimed = append(claimed, share.Share)
		}
	}
	return claimed, nil
}

// Save notes checkpoints.
func (l *Local) Save(ctx context.Context, member Member, checkpoints []Checkpoint) (lost []int, err error) {
	kept, lost, err := l.settle(ctx, member, checkpoints, false)
	if err != nil || len(kept) == 0 {
		return lost, err
	}
	return lost, l.note(ctx, member.Subscription, kept)
}

// Release notes checkpoints and gives partitions up. Whoever claims them next goes on there, also when they could not be written.
func (l *Local) Release(ctx context.Context, member Member, checkpoints []Checkpoint) error {
	kept, _, err := l.settle(ctx, member, checkpoints, true)
	if err != nil || len(kept) == 0 {
		return err
	}
	return l.note(ctx, member.Subscription, kept)
}

// settle keeps those checkpoints in memory that are the consumer's.
func (l *Local) settle(ctx context.Context, member Member, checkpoints []Checkpoint, release bool) (kept []Checkpoint, lost []int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.find(ctx, member.Subscription)
	if err != nil {
		return nil, nil, err
	}
	for _, checkpoint := range checkpoints {
		share := &s.shares[checkpoint.Partition]
		if share.Consumer != member.Consumer || share.Epoch != checkpoint.Epoch {
			lost = append(lost, checkpoint.Partition)
			continue
		}
		if checkpoint.Position != share.Position {
			kept = append(kept, checkpoint)
		}
		share.Position, share.held, share.ahead = checkpoint.Position, checkpoint.Held, checkpoint.Ahead
		if release {
			share.Consumer, share.Free, share.held, share.ahead = "", true, 0, 0
		}
	}
	return kept, lost, nil
}

// Leave removes a consumer.
func (l *Local) Leave(_ context.Context, member Member) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.subscriptions[member.Subscription]; s != nil {
		s.consumers = slices.DeleteFunc(s.consumers, func(name string) bool { return name == member.Consumer })
	}
	return nil
}

// Held returns how many messages the consumers of a subscription hold, and how many they have settled behind one that is not.
func (l *Local) Held(subscription int64) (held, ahead int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.subscriptions[subscription]; s != nil {
		for i := range s.shares {
			held, ahead = held+s.shares[i].held, ahead+s.shares[i].ahead
		}
	}
	return held, ahead
}
