package simulation

import (
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// grant is a lease as it was given to a process, by what the database answered.
type grant struct {
	session  *session
	epoch    int64
	until    time.Time
	released bool
}

// claimed looks at a lease that was given.
func (a *audit) claimed(s *session, given carillon.Lease, ttl time.Duration) {
	before := a.grants[given.Name]
	now := time.Now()
	if before != nil && before.session != s {
		switch {
		case !before.released && now.Before(before.until):
			a.violate("a lease that runs is one process's", "%s was given to %s, and is %s's for %v", given.Name, s.name, before.session.name, before.until.Sub(now))
		case given.Epoch <= before.epoch:
			a.violate("an epoch rises with every change of hands", "%s was given to %s with epoch %d, after %s had %d",
				given.Name, s.name, given.Epoch, before.session.name, before.epoch)
		}
	}
	a.grants[given.Name] = &grant{session: s, epoch: given.Epoch, until: now.Add(ttl)}
	for segment := range noticesSegments {
		if given.Name == leaseName(notices, segment) {
			delete(a.effects.ends, tenure{s, segment})
		}
	}
}

// renewed looks at leases that were extended.
func (a *audit) renewed(s *session, leases []carillon.Lease, ttl time.Duration) {
	for _, lease := range leases {
		held := a.grants[lease.Name]
		if held == nil || held.session != s || held.epoch != lease.Epoch {
			a.violate("a lease that was lost stays lost", "%s was renewed for %s with epoch %d", lease.Name, s.name, lease.Epoch)
			return
		}
		held.until = time.Now().Add(ttl)
	}
}

// leaseName is what the lease of a segment is called.
func leaseName(name string, segment int) string {
	return fmt.Sprintf("projection/%s/%d", name, segment)
}

// released notes that leases were given up by who has them.
func (a *audit) released(leases []carillon.Lease) {
	for _, lease := range leases {
		held := a.grants[lease.Name]
		if held != nil && held.session.holder == lease.Holder && held.epoch == lease.Epoch {
			held.released = true
		}
	}
}

// fenced looks at the lease that a commit rests on: it is the last that was given.
func (a *audit) fenced(t *transaction, ref carillon.ModelRef) {
	if ref.Name != balances && ref.Name != rolls && ref.Name != notices {
		return // the engine's own, which all processes write
	}
	name := leaseName(ref.Name, ref.Segment)
	if ref.Shadow {
		name = "rebuild/" + ref.Name
	}
	held := a.grants[name]
	switch {
	case t.fence.Name != name:
		a.violate("a commit is fenced", "%s committed to %s/%d under lease %q", t.session.name, ref.Name, ref.Segment, t.fence.Name)
	case held == nil || held.session != t.session || held.epoch != t.fence.Epoch:
		a.violate("a process that was replaced does not commit", "%s committed to %s/%d with epoch %d, after %s was given epoch %d",
			t.session.name, ref.Name, ref.Segment, t.fence.Epoch, held.session.name, held.epoch)
	}
}

// refused notes that a process was told that a fence did not hold: from now on it has no business with the segment, until it is given the
// lease again.
func (a *audit) refused(s *session, ref carillon.ModelRef) {
	if ref.Name == notices {
		a.effects.ends[tenure{s, ref.Segment}] = time.Now()
	}
}
