package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// drop gives a partition up. What was delivered is lost, and the partition is released as soon as the bucket can be written.
func (s *subscription) drop(p *partition) {
	if p.gone {
		return
	}
	s.unsettled -= p.unsettled
	delete(s.held, p.number)
	s.left[p.number] = p
	close(p.reader.stop)
	p.leave()
	signal(s.changed)
	s.signal()
}

// lapse gives everything up when others hold this consumer for dead.
func (s *subscription) lapse(now time.Time) {
	if len(s.held) == 0 || !now.After(s.valid) {
		return
	}
	s.log.Warn("no sign of life could be given in time: deliveries are lost", slog.Duration("limit", s.ttl))
	for _, p := range s.held {
		s.drop(p)
	}
}

// manage claims and releases partitions until stop is closed.
func (s *subscription) manage() {
	ticker := time.NewTicker(min(max(s.options.AckDeadline/16, 10*time.Millisecond), time.Second))
	defer ticker.Stop()
	for {
		s.step()
		select {
		case <-s.stop:
			return
		case <-s.changed:
		case <-ticker.C:
		}
	}
}

func (s *subscription) step() {
	now := time.Now()
	s.mu.Lock()
	s.lapse(now)
	s.expire(now)
	claims := s.balance(now)
	var releases []*partition
	for _, p := range s.left {
		releases = append(releases, p)
	}
	dead := s.group.dead(now)
	s.mu.Unlock()
	s.release(releases)
	for _, number := range claims {
		select {
		case <-s.stop:
			return
		default:
			s.claim(number)
		}
	}
	for _, name := range dead {
		s.bury(name)
	}
}

// expire gives up partitions with a delivery whose deadline has passed. The consumer then rests: another is to have them.
func (s *subscription) expire(now time.Time) {
	for _, p := range s.held {
		if p.expired(now) {
			s.log.Warn("a delivery was not settled in time", slog.Int("partition", p.number), slog.Duration("limit", s.options.AckDeadline))
			s.drop(p)
			s.resting = now
			signal(s.dirty)
		}
	}
	// It comes back once it asks for more, and others have had the time to be first.
	if !s.resting.IsZero() && (s.receiving > 0 || s.received.After(s.resting)) &&
		(len(s.left) == 0 && s.group.alone(s.member, now) || now.Sub(s.resting) > s.ttl/2) {
		s.resting = time.Time{}
		signal(s.dirty)
	}
}

// balance returns which partitions to claim, and drops those that are others' share. Deliveries are given until their deadline to be
// settled first.
func (s *subscription) balance(now time.Time) (claims []int) {
	share := s.group.share(s.member, now)
	if !s.resting.IsZero() {
		share = 0
	}
	excess := len(s.held) - share
	for number := s.group.partitions - 1; number >= 0; number-- {
		p := s.held[number]
		switch {
		case p == nil:
		case excess <= 0:
			if !p.draining.IsZero() {
				p.draining = time.Time{}
				s.signal()
			}
		default:
			excess--
			if p.draining.IsZero() {
				p.draining = now
			}
			if p.unsettled == 0 || now.Sub(p.draining) > s.options.AckDeadline {
				s.drop(p)
			}
		}
	}
	if now.After(s.valid) || !s.resting.IsZero() {
		return nil
	}
	missing := share - len(s.held)
	for _, number := range s.group.free(s.member, now) {
		if missing <= 0 {
			break
		}
		if s.held[number] == nil && s.left[number] == nil {
			claims = append(claims, number)
			missing--
		}
	}
	return claims
}

// claim takes a partition over, unless somebody is faster.
func (s *subscription) claim(number int) {
	ctx, cancel := s.broker.attempt(s.ttl)
	defer cancel()
	s.mu.Lock()
	current, ok := s.group.claims[number]
	former, known := s.group.members[current.Owner]
	s.mu.Unlock()
	members := make(map[string]member)
	if known && current.Owner != s.member {
		entry, err := s.broker.bucket.Get(ctx, memberKey(s.topic.name, s.name, current.Owner))
		switch {
		case err == nil && entry.Revision() != former.revision:
			s.note(entry) // it lives
			return
		case err != nil && !errors.Is(err, jetstream.ErrKeyNotFound):
			return
		}
		members[current.Owner] = former
	}
	mine := claim{Owner: s.member, Position: standing(current, ok, members, number, s.first).next()}
	revision, err := s.write(ctx, number, mine, current.revision)
	if err != nil {
		if !isTaken(err) {
			s.log.Debug("claiming a partition failed", slog.Int("partition", number), slog.Any("error", err))
		}
		return
	}
	s.log.Debug("claimed a partition", slog.Int("partition", number), slog.Uint64("floor", mine.Position.Floor))
	mine.revision = revision
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group.claims[number] = mine
	p := newPartition(number, revision, mine.Position)
	p.reader = newReader(s, p)
	if s.closed {
		p.leave()
		s.left[number] = p
		return
	}
	s.held[number] = p
	s.running.Go(p.reader.run)
	signal(s.dirty)
}

// write writes a claim if it is still the one that was read; revision 0 is none.
func (s *subscription) write(ctx context.Context, number int, c claim, revision uint64) (uint64, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	return s.broker.bucket.Update(ctx, claimKey(s.topic.name, s.name, number), value, revision)
}

// release writes down where partitions were left, so that others begin there at once.
func (s *subscription) release(partitions []*partition) {
	if len(partitions) == 0 || !s.broker.conn.IsConnected() {
		return
	}
	ctx, cancel := s.broker.attempt(s.broker.source.timeout)
	defer cancel()
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, p := range partitions {
		s.mu.Lock()
		free := claim{Position: p.position()}
		s.mu.Unlock()
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			revision, err := s.write(ctx, p.number, free, p.revision)
			if err != nil && !isTaken(err) {
				s.log.Debug("releasing a partition failed", slog.Int("partition", p.number), slog.Any("error", err))
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.left, p.number)
			if err == nil {
				free.revision = revision
				s.group.claims[p.number] = free
			}
			signal(s.changed)
		})
	}
	all.Wait()
}

// bury removes what a dead consumer wrote of itself.
func (s *subscription) bury(name string) {
	ctx, cancel := s.broker.attempt(s.broker.source.timeout)
	defer cancel()
	s.mu.Lock()
	revision := s.group.members[name].revision
	s.mu.Unlock()
	err := s.broker.bucket.Purge(ctx, memberKey(s.topic.name, s.name, name), jetstream.LastRevision(revision), jetstream.PurgeTTL(markerTime))
	if err != nil && !isTaken(err) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group.members[name].revision == revision {
		delete(s.group.members, name)
	}
}

// depart releases everything and removes this consumer from the bucket.
func (s *subscription) depart() error {
	s.mu.Lock()
	var releases []*partition
	for _, p := range s.left {
		releases = append(releases, p)
	}
	s.mu.Unlock()
	if !s.broker.conn.IsConnected() {
		if len(releases) == 0 {
			return nil
		}
		return s.unreachable()
	}
	s.release(releases)
	s.mu.Lock()
	remaining := len(s.left)
	s.mu.Unlock()
	if remaining > 0 {
		return s.unreachable()
	}
	ctx, cancel := s.broker.attempt(s.broker.source.timeout)
	defer cancel()
	return s.broker.bucket.Purge(ctx, memberKey(s.topic.name, s.name, s.member), jetstream.PurgeTTL(markerTime))
}
