package jetstream

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// writeEvery is how often positions are written at most: each time is a flush of the server.
const writeEvery = 200 * time.Millisecond

// join makes this consumer known, and begins to follow the others.
func (s *subscription) join(ctx context.Context) error {
	s.group.members[s.member] = member{}
	if err := s.show(ctx); err != nil {
		return err
	}
	watcher, err := s.follow(ctx)
	if err != nil {
		return err
	}
	s.broker.mu.Lock()
	closed := s.broker.closed
	s.broker.subscriptions[s] = struct{}{}
	s.broker.mu.Unlock()
	if closed { // it waits for this call, and would not see the subscription
		_ = watcher.Stop()
		return s.closedError()
	}
	s.running.Go(s.read)
	s.running.Go(s.manage)
	s.running.Go(s.keep)
	s.running.Go(func() { s.watch(watcher) })
	if s.topic.limited {
		s.running.Go(s.trimming)
	}
	return nil
}

// keep shows that this consumer lives, and writes its positions, until stop is closed.
func (s *subscription) keep() {
	ticker := time.NewTicker(s.ttl / 3)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.dirty:
		case <-ticker.C:
		}
		ctx, cancel := s.broker.attempt(s.ttl)
		if err := s.show(ctx); err != nil {
			s.log.Debug("showing that the consumer lives failed", slog.Any("error", err))
			signal(s.dirty)
		} else {
			signal(s.trim)
		}
		cancel()
		select {
		case <-s.stop:
			return
		case <-s.urgent:
			signal(s.dirty)
		case <-time.After(min(writeEvery, s.ttl/6)):
		}
	}
}

// show writes this consumer's record.
func (s *subscription) show(ctx context.Context) error {
	s.mu.Lock()
	m := member{Consumer: s.options.Consumer, TTL: s.ttl.Milliseconds(), Resting: !s.resting.IsZero(), Positions: make(map[int]position)}
	for number, p := range s.held {
		m.Positions[number] = p.position()
	}
	for number, p := range s.left {
		m.Positions[number] = p.position()
	}
	s.mu.Unlock()
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := s.broker.bucket.Put(ctx, memberKey(s.topic.name, s.name, s.member), value); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.valid = began.Add(s.ttl); len(s.held) < s.group.partitions {
		signal(s.changed)
	}
	return nil
}

// follow watches the records of the subscription, and returns when it knows those that are there.
func (s *subscription) follow(ctx context.Context) (jetstream.KeyWatcher, error) {
	background := context.WithoutCancel(ctx)
	t, name := token(s.topic.name), token(s.name)
	watcher, err := s.broker.bucket.WatchFiltered(background, []string{"member." + t + "." + name + ".*", "claim." + t + "." + name + ".*"})
	if err != nil {
		return nil, err
	}
	var entries []jetstream.KeyValueEntry
	own := time.Time{} // by the server's clock
	for {
		select {
		case entry, ok := <-watcher.Updates():
			if !ok {
				return nil, s.unreachable()
			}
			if entry == nil {
				for _, e := range entries {
					s.noteAt(e, time.Now().Add(-max(0, own.Sub(e.Created()))))
				}
				return watcher, nil
			}
			entries = append(entries, entry)
			if lastToken(entry.Key()) == s.member {
				own = entry.Created()
			}
		case <-ctx.Done():
			_ = watcher.Stop()
			return nil, ctx.Err()
		}
	}
}

// watch takes notes of what others write until stop is closed.
func (s *subscription) watch(watcher jetstream.KeyWatcher) {
	for {
		if !s.drain(watcher) {
			return
		}
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
			select {
			case <-s.stop:
				return
			case <-time.After(wait):
			}
			ctx, cancel := s.broker.attempt(s.broker.source.timeout)
			again, err := s.follow(ctx)
			cancel()
			if err == nil {
				watcher = again
				break
			}
		}
	}
}

// drain reports whether to watch anew: the client gave up, or the connection is a new one. The client itself would take ten seconds to
// notice that the server has forgotten the watcher.
func (s *subscription) drain(watcher jetstream.KeyWatcher) bool {
	defer func() { _ = watcher.Stop() }()
	for {
		select {
		case <-s.stop:
			return false
		case <-s.missed:
			return true
		case entry, ok := <-watcher.Updates():
			if !ok {
				return true
			}
			if entry != nil {
				s.note(entry)
			}
		}
	}
}

func (s *subscription) note(entry jetstream.KeyValueEntry) { s.noteAt(entry, time.Now()) }

func (s *subscription) noteAt(entry jetstream.KeyValueEntry, heard time.Time) {
	name := lastToken(entry.Key())
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(entry.Key(), "member.") {
		s.noteMember(name, entry, heard)
	} else if number, err := strconv.Atoi(name); err == nil {
		s.noteClaim(number, entry)
	}
}

func (s *subscription) noteMember(name string, entry jetstream.KeyValueEntry, heard time.Time) {
	before, known := s.group.members[name]
	switch {
	case entry.Operation() != jetstream.KeyValuePut:
		delete(s.group.members, name)
		signal(s.changed)
	case known && before.revision >= entry.Revision():
	default:
		m, err := parseMember(entry, heard)
		if err != nil {
			return
		}
		s.group.members[name] = m
		if !known || before.Resting != m.Resting {
			signal(s.changed)
		}
	}
}

func (s *subscription) noteClaim(number int, entry jetstream.KeyValueEntry) {
	if s.group.claims[number].revision >= entry.Revision() {
		return
	}
	c, err := parseClaim(entry)
	if err != nil {
		return
	}
	s.group.claims[number] = c
	for _, p := range slices.Concat([]*partition{s.held[number]}, []*partition{s.left[number]}) {
		if p != nil && p.revision < c.revision && c.Owner != s.member { // somebody took it
			s.drop(p)
			delete(s.left, number)
		}
	}
	signal(s.changed)
}
