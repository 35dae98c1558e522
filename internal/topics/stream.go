package topics

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
)

const (
	// recentMessages and recentBytes bound what a stream keeps in memory of the messages this process published last.
	recentMessages = 8192
	recentBytes    = 8 << 20
	// pruneEvery is after how many messages of this process something is deleted.
	pruneEvery = 4096
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
	recent    []*Publication // without gaps between them
	kept      int            // how many messages they are
	size      int            // of their payloads
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
	for i := range messages {
		p.size += len(messages[i].Payload)
	}
	payloads := make([]byte, 0, p.size)
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
	s.head = max(s.head, p.last())
	if len(s.consumers) == 0 {
		s.recent, s.kept, s.size = nil, 0, 0
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
		switch behind := s.recent[n-1].last() + 1; {
		case p.First < behind:
			return
		case p.First > behind:
			s.forget(n)
		}
	}
	s.recent = append(s.recent, p)
	s.kept += len(p.Messages)
	s.size += p.size
	for len(s.recent) > 1 && (s.kept > recentMessages || s.size > recentBytes) {
		s.forget(1)
	}
}

// forget drops the oldest publications that are kept.
func (s *stream) forget(count int) {
	for i, p := range s.recent[:count] {
		s.kept -= len(p.Messages)
		s.size -= p.size
		s.recent[i] = nil
	}
	s.recent = s.recent[count:]
}

// tail appends the kept publications that have the messages after a position, up to limit of these, if they are kept from there on.
// through is the last message to be taken from them, or where the topic ends.
func (s *stream) tail(after int64, limit int, publications []*Publication) (_ []*Publication, through int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.recent)
	switch {
	case after >= s.head:
		return publications, s.head, true
	case n == 0 || s.recent[0].First > after+1 || s.recent[n-1].last() <= after:
		return publications, s.head, false
	}
	first := sort.Search(n, func(i int) bool { return s.recent[i].last() > after })
	through = min(after+int64(limit), s.recent[n-1].last()) // what is kept may end before the head
	for _, p := range s.recent[first:] {
		if p.First > through {
			break
		}
		publications = append(publications, p)
	}
	return publications, through, true
}

// last is where the topic ends, as far as is known.
func (s *stream) last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
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
