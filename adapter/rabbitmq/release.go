package rabbitmq

import "sync"

// release tells a partition's consumption to end. Those released together close their channels together, once each has ended.
type release struct {
	begun chan struct{} // closed when it is to end

	mu       sync.Mutex
	asked    bool
	finished bool
	together *sync.WaitGroup // nil unless asked
}

// ask reports whether the consumption is to be told: it goes on and was not asked before.
func (r *release) ask(together *sync.WaitGroup) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked || r.finished {
		return false
	}
	r.asked, r.together = true, together
	together.Add(1)
	return true
}

// finish says that nothing is held any more, and returns what to wait for when others are still to say so.
func (r *release) finish() *sync.WaitGroup {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.finished && r.together != nil {
		r.together.Done()
	}
	r.finished = true
	return r.together
}
