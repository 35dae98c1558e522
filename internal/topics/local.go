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

	noting sync.Mutex // taken before mu: what is noted later is never further back

	mu            sync.Mutex
	subscriptions map[int64]*localShares
}

type localShares struct {
	consumers []string // in order of name
	shares    []localShare
}

type localShare struct {
	Share

	noted       int64 // the position in the tables
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
		s.shares[partition] = localShare{Share: Share{Partition: partition, Position: position, Free: true}, noted: position}
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
	lost, err = l.settle(ctx, member, checkpoints, false)
	if err != nil {
		return nil, err
	}
	return lost, l.write(ctx, member.Subscription, checkpoints)
}

// Release notes checkpoints and gives partitions up. Whoever claims them next goes on there, also when they could not be written.
func (l *Local) Release(ctx context.Context, member Member, checkpoints []Checkpoint) error {
	if _, err := l.settle(ctx, member, checkpoints, true); err != nil {
		return err
	}
	return l.write(ctx, member.Subscription, checkpoints)
}

// settle keeps those checkpoints in memory that are the consumer's.
func (l *Local) settle(ctx context.Context, member Member, checkpoints []Checkpoint, release bool) (lost []int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.find(ctx, member.Subscription)
	if err != nil {
		return nil, err
	}
	for _, checkpoint := range checkpoints {
		share := &s.shares[checkpoint.Partition]
		if share.Consumer != member.Consumer || share.Epoch != checkpoint.Epoch {
			lost = append(lost, checkpoint.Partition)
			continue
		}
		share.Position, share.held, share.ahead = checkpoint.Position, checkpoint.Held, checkpoint.Ahead
		if release {
			share.Consumer, share.Free, share.held, share.ahead = "", true, 0, 0
		}
	}
	return lost, nil
}

// write notes where the partitions of some checkpoints stand in memory, as far as the tables say something else: also what an earlier
// call could not write.
func (l *Local) write(ctx context.Context, subscription int64, checkpoints []Checkpoint) error {
	l.noting.Lock()
	defer l.noting.Unlock()
	unnoted := l.unnoted(subscription, checkpoints)
	if len(unnoted) == 0 {
		return nil
	}
	if err := l.note(ctx, subscription, unnoted); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	shares := l.subscriptions[subscription].shares
	for _, checkpoint := range unnoted {
		shares[checkpoint.Partition].noted = checkpoint.Position
	}
	return nil
}

// unnoted are those partitions of some checkpoints that stand elsewhere than in the tables.
func (l *Local) unnoted(subscription int64, checkpoints []Checkpoint) []Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	var unnoted []Checkpoint
	for _, checkpoint := range checkpoints {
		if share := &l.subscriptions[subscription].shares[checkpoint.Partition]; share.Position != share.noted {
			unnoted = append(unnoted, Checkpoint{Partition: checkpoint.Partition, Epoch: share.Epoch, Position: share.Position})
		}
	}
	return unnoted
}

// Rewind takes a subscription's shares away, and has them begin behind a position.
func (l *Local) Rewind(ctx context.Context, subscription, position int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.find(ctx, subscription)
	if err != nil {
		return err
	}
	for i := range s.shares {
		share := &s.shares[i]
		share.Position, share.Consumer, share.Free, share.held, share.ahead = position, "", true, 0, 0
		share.Epoch++
	}
	return nil
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
