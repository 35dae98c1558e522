package postgres

import (
	"sync"

	"github.com/carillon-go/carillon"
)

// maxVersions is how many streams' versions are kept: those of more are forgotten and asked for again.
const maxVersions = 1 << 14

// versions are those of streams this process has appended to, as of a head of the log. As long as the log has that head they are what
// there is, and nobody needs to look.
type versions struct {
	mu       sync.Mutex
	head     carillon.Position // 0 while it is not known
	byStream map[string]int64
}

// check returns the head that the log must have for what is known to hold; -1 when nothing of it is of use. The streams whose versions are
// not known are left in the layout, to be looked up. ok is false when a version is known to be another.
func (v *versions) check(p *plain) (head carillon.Position, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := 0
	for i, stream := range p.streams {
		version, known := v.byStream[stream]
		switch {
		case !known:
			p.streams[left], p.expected[left] = stream, p.expected[i]
			left++
		case version != p.expected[i]:
			return 0, false
		}
	}
	if left == len(p.streams) {
		return -1, true
	}
	p.streams, p.expected = p.streams[:left], p.expected[:left]
	return v.head, true
}

// learn takes note of what a batch came to.
func (v *versions) learn(appends []carillon.Append, verdicts []carillon.Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range verdicts {
		done := &verdicts[i].Appended
		if verdicts[i].Err != nil || done.Duplicate || done.Last <= v.head {
			continue
		}
		if done.First != v.head+1 || len(v.byStream) >= maxVersions { // somebody else has appended
			v.byStream = nil
		}
		if v.byStream == nil {
			v.byStream = make(map[string]int64)
		}
		if v.head = done.Last; appends[i].Stream != "" {
			v.byStream[appends[i].Stream] = done.Version
		}
	}
}
