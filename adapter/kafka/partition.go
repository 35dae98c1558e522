package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon/internal/watermark"
)

// partition is a part of a topic while a consumer has it. The subscription's mu guards it.
type partition struct {
	id        int32
	lost      chan struct{}
	leaving   bool // nothing more is delivered
	tracker   *watermark.Tracker
	next      int64 // the offset behind the last delivered
	committed int64 // the offset the cluster was told, or the first
	drained   chan struct{}
}

func newPartition(id int32) *partition {
	return &partition{id: id, lost: make(chan struct{}), drained: make(chan struct{}, 1)}
}

// add notes a record, and reports whether it is to be delivered.
func (p *partition) add(record *kgo.Record) bool {
	if p.tracker == nil {
		p.tracker = watermark.New(record.Offset - 1)
		p.committed = record.Offset
	}
	if record.Offset < p.next {
		return false
	}
	p.next = record.Offset + 1
	if record.Attrs.IsControl() {
		p.tracker.Pass(record.Offset)
		return false
	}
	p.tracker.Add(record.Offset)
	return true
}

// done settles an offset, and reports whether it was not settled before.
func (p *partition) done(offset int64) bool {
	if !p.tracker.Done(offset) {
		return false
	}
	if p.tracker.Open() == 0 {
		signal(p.drained)
	}
	return true
}

// open returns how many deliveries are not settled.
func (p *partition) open() int {
	if p.tracker == nil {
		return 0
	}
	return p.tracker.Open()
}

// settled returns the offset up to which everything is settled, and whether the cluster has not been told.
func (p *partition) settled() (offset int64, untold bool) {
	if p.tracker == nil {
		return 0, false
	}
	offset = p.tracker.Mark() + 1
	return offset, offset > p.committed
}

// assigned takes over partitions, before any record of them comes.
func (s *subscription) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	s.stopPolling()
	defer s.polling.Unlock()
	s.forget(s.take(added[s.topic.name], false)) // there is none, unless the client begins one anew
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range added[s.topic.name] {
		s.partitions[id] = newPartition(id)
	}
}

// revoked gives partitions away. What is held of them may still be settled for a while; then the rest is lost.
func (s *subscription) revoked(ctx context.Context, _ *kgo.Client, gone map[string][]int32) {
	s.stopPolling()
	leaving := s.take(gone[s.topic.name], false)
	s.polling.Unlock()
	s.await(leaving)
	s.forget(leaving)
	if len(leaving) == 0 {
		return
	}
	s.committing.Lock()
	defer s.committing.Unlock()
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), s.broker.servers.settings.timeout/2)
	defer stop()
	s.commit(ctx, leaving)
}

// lost is called when the group has given the partitions away already.
func (s *subscription) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	s.stopPolling()
	lost := s.take(gone[s.topic.name], false)
	s.polling.Unlock()
	s.forget(lost)
	s.committing.Lock() // a commit under way ends before this consumer joins again: it would count as the new member's
	defer s.committing.Unlock()
}

// stopPolling waits for the poll under way to end and keeps others from beginning, until polling is unlocked.
func (s *subscription) stopPolling() {
	s.mu.Lock()
	s.rebalances++
	if s.interrupt != nil {
		s.interrupt()
	}
	s.mu.Unlock()
	s.polling.Lock()
	s.mu.Lock()
	s.rebalances--
	s.mu.Unlock()
}

// take marks partitions, or all of them, as leaving and returns them.
func (s *subscription) take(ids []int32, all bool) []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var leaving []*partition
	if all {
		for _, p := range s.partitions {
			leaving = append(leaving, p)
		}
	}
	for _, id := range ids {
		if p := s.partitions[id]; p != nil {
			leaving = append(leaving, p)
		}
	}
	for _, p := range leaving {
		p.leaving = true
	}
	return leaving
}

// await waits until everything of the partitions is settled, for as long as they may drain.
func (s *subscription) await(leaving []*partition) {
	timer := time.NewTimer(s.drain)
	defer timer.Stop()
	for _, p := range leaving {
		for s.holds(p) {
			select {
			case <-p.drained:
			case <-timer.C:
				return
			case <-s.closing:
				return
			}
		}
	}
}

func (s *subscription) holds(p *partition) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.open() > 0
}

// forget tells that what is held of partitions is lost.
func (s *subscription) forget(leaving []*partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range leaving {
		if s.partitions[p.id] != p {
			continue
		}
		delete(s.partitions, p.id)
		s.unsettled -= p.open()
		close(p.lost)
	}
	signal(s.room)
}
