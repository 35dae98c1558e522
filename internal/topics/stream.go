package topics

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
)

const (
	// recentMessages and recentBytes bound what a stream keeps in memory of the messages this process published last.
	recentMessages = 4096
	recentBytes    = 8 << 20
	// pruneEvery is after how many messages of this process something is deleted.
	pruneEvery = 1024
)

// stream is what a process knows of a topic: how far it goes, the newest messages, and who is to be woken.
type stream struct {
	Topic

	turn      atomic.Uint32 // where the next message without a key goes
	published atomic.Int64  // since something was deleted

	mu        sync.Mutex
	head      int64
	changes   int64
	consumers []*consumer
	recent    []Entry // without gaps
	size      int     // of their payloads
}

// partition is where a message belongs.
func (s *stream) partition(m *carillon.Message) int {
	if m.Key == "" {
		return int(s.turn.Add(1)-1) % s.Partitions
	}
	return carillon.Partition(m.Key, s.Partitions)
}

// publication is what a call publishes, in the form in which it is delivered.
func (s *stream) publication(messages []carillon.Message) *Publication {
	p := &Publication{Topic: s.Topic, Messages: slices.Clone(messages), Partitions: make([]int, len(messages))}
	size := 0
	for i := range messages {
		size += len(messages[i].Payload)
	}
	payloads := make([]byte, 0, size)
	for i := range p.Messages {
		m := &p.Messages[i]
		p.Partitions[i] = s.partition(m)
		m.Value = nil
		m.Time = time.UnixMicro(m.Time.UnixMicro()).UTC()
		m.SchemaVersion = max(m.SchemaVersion, 1)
		if m.ContentType == "" {
			m.ContentType = carillon.ContentTypeJSON
		}
		payloads = append(payloads, m.Payload...)
		m.Payload = payloads[len(payloads)-len(m.Payload) : len(payloads) : len(payloads)]
	}
	return p
}

// announce takes note of messages that were committed, and wakes who waits for them.
func (s *stream) announce(p *Publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := p.First + int64(len(p.Messages)) - 1
	s.head = max(s.head, last)
	if len(s.consumers) == 0 {
		s.recent, s.size = nil, 0
		return
	}
	s.remember(p)
	for _, c := range s.consumers {
		c.wake()
	}
}

// remember keeps messages that stand right behind those that are kept, or begins anew with them.
func (s *stream) remember(p *Publication) {
	if n := len(s.recent); n > 0 {
		switch behind := s.recent[n-1].Position + 1; {
		case p.First < behind:
			return
		case p.First > behind:
			s.recent, s.size = s.recent[:0], 0
		}
	}
	if len(s.recent) >= 2*recentMessages || s.size > recentBytes {
		keep := len(s.recent)
		for s.size = 0; keep > 0 && len(s.recent)-keep < recentMessages && s.size < recentBytes/2; keep-- {
			s.size += len(s.recent[keep-1].Message.Payload)
		}
		kept := copy(s.recent, s.recent[keep:])
		clear(s.recent[kept:])
		s.recent = s.recent[:kept]
	}
	for i := range p.Messages {
		s.recent = append(s.recent, Entry{Position: p.First + int64(i), Partition: p.Partitions[i], Message: p.Messages[i]})
		s.size += len(p.Messages[i].Payload)
	}
}

// tail returns the kept messages after a position, at most limit of them, if they are kept from there on.
func (s *stream) tail(after int64, limit int) (entries []Entry, head int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after >= s.head {
		return nil, s.head, true
	}
	if len(s.recent) == 0 || s.recent[0].Position > after+1 || s.recent[len(s.recent)-1].Position <= after {
		return nil, s.head, false
	}
	rest := s.recent[after+1-s.recent[0].Position:]
	return slices.Clone(rest[:min(limit, len(rest))]), s.head, true
}

// see takes note of where the topic stands by its table.
func (s *stream) see(last, changes int64) (moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved = last > s.head || changes != s.changes
	shared := changes != s.changes
	s.head, s.changes = max(s.head, last), changes
	for _, c := range s.consumers {
		if moved {
			c.wake()
		}
		if shared {
			c.poke()
		}
	}
	return moved
}

// join adds a consumer.
func (s *stream) join(c *consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consumers = append(s.consumers, c)
}

// leave removes a consumer.
func (s *stream) leave(c *consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.consumers, c); i >= 0 {
		s.consumers = slices.Delete(s.consumers, i, i+1)
	}
}

// pokeOthers has the other consumers of a subscription look at their shares.
func (s *stream) pokeOthers(c *consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.consumers {
		if other != c && other.member.Subscription == c.member.Subscription {
			other.poke()
		}
	}
}

// members are the consumers of this process.
func (s *stream) members() []*consumer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.consumers)
}
