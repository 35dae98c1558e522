package redisstream

import (
	"context"
	"strconv"
	"time"
)

// tender keeps a consumer's partitions: it renews its lease and takes and gives up what the server says.
type tender struct {
	subscription *subscription
	renewed      time.Time // when the last call that succeeded began
	ticks        int
}

const (
	// tick is how often a consumer asks which partitions are its own: how long those of one that left wait, at most.
	tick = 200 * time.Millisecond
	// trimTicks is how many of them pass between two trims.
	trimTicks = 10
)

func (t *tender) run(ctx context.Context) {
	for idle(ctx, tick) {
		began := time.Now()
		if err := t.tend(ctx); err != nil && ctx.Err() == nil {
			t.subscription.broker.heals(err, "keeping partitions", t.subscription.key)
			t.subscription.setConnected(false)
			if began.Sub(t.renewed) > t.subscription.options.AckDeadline {
				t.subscription.loseAll()
				t.renewed = began
			}
			continue
		}
		if t.ticks++; t.ticks%trimTicks == 0 {
			t.subscription.broker.trim(ctx, t.subscription.topic, t.subscription.partitions())
		}
	}
}

// tend asks the server, within the time the lease has left.
func (t *tender) tend(ctx context.Context) error {
	s := t.subscription
	began := time.Now()
	ctx, stop := context.WithDeadlineCause(ctx, began.Add(s.options.AckDeadline/2), errTimeout)
	defer stop()
	result, err := s.broker.run(ctx, s.broker.scripts.tend, []string{s.key, s.members}, s.me(), s.options.AckDeadline.Milliseconds(), s.topic.partitions)
	if err != nil {
		return err
	}
	t.renewed = began
	s.setConnected(true)
	numbers, _ := result.([]any)
	mine := make(map[int]bool)
	for i := 0; i+2 < len(numbers); i += 3 {
		partition, _ := numbers[i].(int64)
		epoch, _ := numbers[i+1].(int64)
		release, _ := numbers[i+2].(int64)
		mine[int(partition)] = true
		if err := s.own(ctx, int(partition), epoch, release == 1, began); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.sessions {
		if at != nil && !mine[at.partition] {
			s.end(at)
		}
	}
	return nil
}

// own begins a session with a partition, goes on with it, or brings it to its end.
func (s *subscription) own(ctx context.Context, partition int, epoch int64, release bool, now time.Time) error {
	s.mu.Lock()
	at := s.sessions[partition]
	if at != nil && at.epoch != epoch {
		s.end(at)
		at = nil
	}
	if at != nil && release && !at.releasing {
		at.releasing, at.since, at.waiting = true, now, nil
		wake(s.dirty)
	}
	s.mu.Unlock()
	if at != nil {
		return nil
	}
	if release { // of a session that ended
		_, err := s.broker.run(ctx, s.broker.scripts.release, []string{s.key}, s.me(), partition, epoch)
		return err
	}
	keys := []string{s.key, s.broker.names.behind(s.topic.name, s.name, partition)}
	result, err := s.broker.run(ctx, s.broker.scripts.begin, keys, s.me(), partition, strconv.FormatInt(epoch, 10))
	found, _ := result.([]any)
	if err != nil || len(found) != 3 {
		return err // without an error: it has changed hands meanwhile
	}
	settled, _ := found[0].(string)
	formers, _ := found[1].(string)
	behind, _ := found[2].([]any)
	s.mu.Lock()
	s.sessions[partition] = newSession(s, partition, epoch, settled, formers, behind)
	s.mu.Unlock()
	wake(s.owned)
	return nil
}

// loseAll ends all sessions, because the lease may have run out. Under another name the consumer is a new one.
func (s *subscription) loseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rename()
	for _, at := range s.sessions {
		s.end(at)
	}
}

// partitions lists those owned.
func (s *subscription) partitions() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []any
	for _, at := range s.sessions {
		if at != nil {
			all = append(all, at.partition)
		}
	}
	return all
}
