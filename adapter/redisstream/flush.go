package redisstream

import (
	"context"
	"time"
)

const (
	// flushPause is how long what is settled waits for more of its kind, at most.
	flushPause = 2 * time.Millisecond
	// flushAt is how many settled deliveries do not wait.
	flushAt = 128
)

// flush sends what was settled and handed out, until the context ends, and then what is left.
func (s *subscription) flush(ctx context.Context) {
	for {
		select {
		case <-s.dirty:
		case <-ctx.Done():
			s.send(ctx)
			return
		}
		if !s.enough() {
			idle(ctx, flushPause)
		}
		s.send(ctx)
		s.giveUp(ctx)
	}
}

func (s *subscription) enough() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsent >= flushAt
}

// send sends one report, again and again until the server has it or it is about nothing that is still owned. Once the subscription
// closes it tries for as long as a call may take.
func (s *subscription) send(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	arguments, sessions := s.report()
	var end time.Time
	for len(sessions) > 0 {
		result, err := s.broker.run(ctx, s.broker.scripts.settle, []string{s.key}, arguments...)
		if err == nil {
			s.lose(sessions, result)
			return
		}
		s.broker.heals(err, "settling", s.key)
		if end.IsZero() && s.isClosing() {
			end = time.Now().Add(s.broker.source.timeout)
		}
		if !s.anyOwned(sessions) || !end.IsZero() && time.Now().After(end) {
			return
		}
		idle(ctx, readBlock)
	}
}

// report takes what is to be sent.
func (s *subscription) report() ([]any, []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsent = 0
	arguments := []any{s.id}
	var sessions []*session
	for _, at := range s.sessions {
		if at != nil && at.changed {
			s.flushes++
			arguments = at.report(arguments, s.flushes)
			sessions = append(sessions, at)
		}
	}
	return arguments, sessions
}

func (s *subscription) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// lose ends the sessions with partitions that are somebody else's.
func (s *subscription) lose(sessions []*session, result any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	partitions, _ := result.([]any)
	for _, partition := range partitions {
		for _, at := range sessions {
			if partition == int64(at.partition) {
				s.end(at)
			}
		}
	}
}

func (s *subscription) anyOwned(sessions []*session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range sessions {
		if !at.over {
			return true
		}
	}
	return false
}

// giveUp gives up the partitions that are to be released, once nothing of them is held or their time is up. Those whose time is up
// are lost together, before anybody else gets one of them.
func (s *subscription) giveUp(ctx context.Context) {
	s.mu.Lock()
	var leaving []*session
	waiting := time.Duration(-1)
	for _, at := range s.sessions {
		if at == nil || !at.releasing || at.changed || at.released {
			continue
		}
		left := s.options.AckDeadline - time.Since(at.since)
		if at.held == 0 || left <= 0 {
			at.released = true
			leaving = append(leaving, at)
			s.end(at)
		} else if waiting < 0 || left < waiting {
			waiting = left
		}
	}
	s.mu.Unlock()
	for _, at := range leaving {
		if _, err := s.broker.run(ctx, s.broker.scripts.release, []string{s.key}, s.me(), at.partition, at.epoch); err != nil {
			s.broker.heals(err, "releasing", s.key) // the next tick does
		}
	}
	if waiting >= 0 {
		time.AfterFunc(waiting, func() { wake(s.dirty) })
	}
}
