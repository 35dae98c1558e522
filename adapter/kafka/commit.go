package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitPause is how long a commit waits for the one before it, so that busy consumers do not commit for each message.
const commitPause = 50 * time.Millisecond

// commitSettled commits what is settled, until the subscription is closed: at once, and then once in a while.
func (s *subscription) commitSettled() {
	timer := time.NewTimer(commitPause)
	defer timer.Stop()
	for {
		select {
		case <-s.settled:
		case <-s.closing:
			return
		}
		s.commitNow()
		timer.Reset(commitPause)
		select {
		case <-timer.C:
		case <-s.closing:
			return
		}
	}
}

// commitNow commits what is settled in the partitions this consumer has.
func (s *subscription) commitNow() {
	s.committing.Lock()
	defer s.committing.Unlock()
	s.mu.Lock()
	owned := make([]*partition, 0, len(s.partitions))
	for _, p := range s.partitions {
		owned = append(owned, p)
	}
	s.mu.Unlock()
	ctx, stop := context.WithTimeout(context.Background(), s.broker.servers.settings.timeout/2)
	defer stop()
	if !s.commit(ctx, owned) {
		signal(s.settled) // to try again
	}
}

// commit tells the cluster how far partitions are settled, and reports whether it knows. The caller holds committing.
func (s *subscription) commit(ctx context.Context, partitions []*partition) bool {
	offsets := make(map[int32]kgo.EpochOffset)
	s.mu.Lock()
	for _, p := range partitions {
		if offset, untold := p.settled(); untold {
			offsets[p.id] = kgo.EpochOffset{Epoch: -1, Offset: offset}
		}
	}
	s.mu.Unlock()
	s.failed = nil
	if len(offsets) == 0 {
		return true
	}
	var failed error
	told := make(map[int32]bool)
	s.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{s.topic.name: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			failed = err
			if err != nil {
				return
			}
			for _, answered := range answer.Topics {
				for _, p := range answered.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						failed = err
					} else {
						told[p.Partition] = true
					}
				}
			}
		})
	s.mu.Lock()
	for _, p := range partitions {
		if told[p.id] {
			p.committed = offsets[p.id].Offset
		}
	}
	s.mu.Unlock()
	if failed != nil && !isReplaced(failed) {
		s.failed = failure(context.Background(), failed)
	}
	return failed == nil
}

// isReplaced reports whether a commit failed because the group goes on without this consumer: what it settled is passed over.
func isReplaced(err error) bool {
	return errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.RebalanceInProgress)
}
