package sourcing

import (
	"container/list"
	"sync"
)

// states keeps the states of the boundaries used last, so that a hot one is not loaded again. What it holds may be stale: the
// append's guard finds out.
type states[S any] struct {
	limit int

	mu     sync.Mutex
	byKey  map[string]*list.Element
	recent *list.List // of *cached, the last used in front
}

// cached is a state as of a stream version or a log position.
type cached[S any] struct {
	key   string
	state S
	at    int64
	// unsaved is how many events were folded since the last snapshot.
	unsaved int
}

func newStates[S any](limit int) *states[S] {
	return &states[S]{limit: limit, byKey: make(map[string]*list.Element), recent: list.New()}
}

func (s *states[S]) get(key string) (cached[S], bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	element, ok := s.byKey[key]
	if !ok {
		return cached[S]{}, false
	}
	s.recent.MoveToFront(element)
	return *element.Value.(*cached[S]), true
}

func (s *states[S]) put(entry cached[S]) {
	if s.limit <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if element, ok := s.byKey[entry.key]; ok {
		*element.Value.(*cached[S]) = entry
		s.recent.MoveToFront(element)
		return
	}
	if s.recent.Len() >= s.limit {
		oldest := s.recent.Back()
		delete(s.byKey, s.recent.Remove(oldest).(*cached[S]).key)
	}
	s.byKey[entry.key] = s.recent.PushFront(&entry)
}
