package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

type referenceLeases reference

type heldLease struct {
	carillon.Lease

	until    time.Time
	released bool
}

func (h heldLease) runs() bool { return !h.released && time.Now().Before(h.until) }

// enter locks the leases.
func (l *referenceLeases) enter(ctx context.Context) (*reference, error) {
	r := (*reference)(l)
	r.leasing.Lock()
	if r.closed {
		r.leasing.Unlock()
		return nil, carillon.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		r.leasing.Unlock()
		return nil, err
	}
	return r, nil
}

func (l *referenceLeases) Claim(ctx context.Context, name, holder string, ttl time.Duration) (carillon.Lease, error) {
	r, err := l.enter(ctx)
	if err != nil {
		return carillon.Lease{}, err
	}
	defer r.leasing.Unlock()
	if r.is("takes the names of leases without regard to case") {
		name = strings.ToLower(name)
	}
	if r.is("gives leases away early") {
		ttl /= 2
	}
	old, known := r.held[name]
	if r.is("looks at a lease before it claims") {
		r.leasing.Unlock()
		pause()
		r.leasing.Lock()
	}
	own := known && old.runs() && old.Holder == holder
	if known && old.runs() && !own && !r.is("gives a lease to whoever asks") {
		return carillon.Lease{}, carillon.ErrLeaseHeld
	}
	lease := carillon.Lease{Name: name, Holder: holder, Epoch: old.Epoch + 1}
	switch {
	case own && !r.is("raises the epoch whenever a lease is claimed"):
		lease.Epoch = old.Epoch
	case known && r.is("keeps the epoch when a lease changes hands"):
		lease.Epoch = old.Epoch
	}
	r.held[name] = heldLease{Lease: lease, until: time.Now().Add(ttl)}
	return lease, nil
}

func (l *referenceLeases) Renew(ctx context.Context, holder string, ttl time.Duration) ([]carillon.Lease, error) {
	r, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer r.leasing.Unlock()
	var renewed []carillon.Lease
	for _, name := range slices.Sorted(maps.Keys(r.held)) {
		held := r.held[name]
		if held.Holder != holder && !r.is("renews the leases of all holders") {
			continue
		}
		if held.released && !r.is("renews what was released") || r.is("renews what has not run out alone") && !held.runs() {
			continue
		}
		held.until, held.released = time.Now().Add(ttl), false
		if r.is("raises the epoch when a lease is renewed") {
			held.Epoch++
		}
		if !r.is("renews in words alone") {
			r.held[name] = held
		}
		renewed = append(renewed, held.Lease)
	}
	return renewed, nil
}

func (l *referenceLeases) Release(ctx context.Context, leases ...carillon.Lease) error {
	r, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer r.leasing.Unlock()
	for _, lease := range leases {
		held, known := r.held[lease.Name]
		lost := !known || held.Epoch != lease.Epoch
		switch {
		case lost && r.is("refuses to release what is lost"):
			return carillon.ErrLeaseLost
		case lost && (!known || !r.is("releases what others hold")), r.is("keeps what is released until it runs out"):
			continue
		case r.is("forgets what is released"):
			delete(r.held, lease.Name)
			continue
		}
		held.released = true
		r.held[lease.Name] = held
	}
	return nil
}

func (l *referenceLeases) List(ctx context.Context, prefix string) ([]carillon.LeaseInfo, error) {
	r, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer r.leasing.Unlock()
	names := slices.Sorted(maps.Keys(r.held))
	if r.is("lists leases backwards") {
		slices.Reverse(names)
	}
	var infos []carillon.LeaseInfo
	for _, name := range names {
		matches := strings.HasPrefix(name, prefix)
		switch r.fault {
		case "takes a prefix for a pattern":
			matches = matches || strings.HasSuffix(prefix, "_") && strings.HasPrefix(name, prefix[:len(prefix)-1])
		case "lists leases that contain the prefix":
			matches = strings.Contains(name, prefix)
		}
		if !matches {
			continue
		}
		held := r.held[name]
		left := time.Until(held.until)
		if held.released && !r.is("lists what was released as if it ran") {
			left = 0
		}
		infos = append(infos, carillon.LeaseInfo{Lease: held.Lease, Left: left})
	}
	return infos, nil
}

func (t *referenceTx) Generation() int64 {
	switch t.r.fault {
	case "keeps the generation in a switch":
		return 1
	case "takes the checkpoint for the generation":
		return int64(t.at()) + 1
	case "has a generation for each segment":
		return t.model().generation<<8 + int64(t.ref.Segment)
	case "goes back to an earlier generation":
		return t.model().generation%2 + 1
	}
	return t.model().generation
}

// Fence holds the leases until the transaction ends.
func (t *referenceTx) Fence(lease carillon.Lease) error {
	r := t.r
	if r.is("does not look at fences") {
		return nil
	}
	if !t.fenced {
		r.leasing.Lock()
		t.fenced = true
	}
	if r.is("looks at a fence and does not hold it") {
		defer t.release()
	}
	held, known := r.held[lease.Name]
	lost := !known || held.Epoch != lease.Epoch
	switch r.fault {
	case "takes any epoch that is not before":
		lost = !known || lease.Epoch < held.Epoch
	case "takes the holder for the epoch":
		lost = !known || held.Holder != lease.Holder
	case "takes leases for held that nobody knows":
		lost = known && lost
	case "takes what has run out for lost":
		lost = lost || !held.runs()
	}
	if lost {
		t.lost = carillon.ErrLeaseLost
		return t.lost
	}
	return nil
}

func (t *referenceTx) release() {
	if t.fenced {
		t.fenced = false
		t.r.leasing.Unlock()
	}
}
