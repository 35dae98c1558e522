package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

// lease is a claim in the database, by its clock.
type lease struct {
	holder   string
	epoch    int64
	until    time.Time
	released bool
	pins     gate             // shut by transactions that rest on it
	former   map[string]int64 // epochs of those who had it before
}

func (l *lease) runs() bool { return !l.released && time.Now().Before(l.until) }

// claim takes a lease that is free, or renews one's own.
func (d *database) claim(name, holder string, ttl time.Duration, what string) (carillon.Lease, error) {
	l := d.leases[name]
	if l == nil {
		l = &lease{former: make(map[string]int64)}
		d.leases[name] = l
	}
	d.world.through(&l.pins, what)
	if l.runs() && l.holder != holder && d.world.bug != runningLeaseTaken {
		return carillon.Lease{}, fmt.Errorf("lease %q: %w", name, carillon.ErrLeaseHeld)
	}
	if own := l.runs() && l.holder == holder; !own && (d.world.bug != epochKept || l.epoch == 0) {
		l.former[l.holder] = l.epoch
		l.epoch++
	}
	l.holder, l.until, l.released = holder, time.Now().Add(ttl), false
	return carillon.Lease{Name: name, Holder: holder, Epoch: l.epoch}, nil
}

// unpin returns once no transaction rests on any of the leases that are meant.
func (d *database) unpin(meant func(name string, l *lease) bool, what string) {
	names := slices.Sorted(maps.Keys(d.leases))
	for i := 0; i < len(names) && !d.world.halted; i++ {
		if l := d.leases[names[i]]; l.pins.closed > 0 && meant(names[i], l) {
			d.world.through(&l.pins, what)
			i = -1 // others may be pinned by now
		}
	}
}

// renew extends what a holder still has, at one moment.
func (d *database) renew(holder string, ttl time.Duration, what string) []carillon.Lease {
	d.unpin(func(_ string, l *lease) bool { return l.holder == holder && !l.released }, what)
	var renewed []carillon.Lease
	for _, name := range slices.Sorted(maps.Keys(d.leases)) {
		l := d.leases[name]
		if epoch, had := l.former[holder]; had && d.world.bug == lostLeaseRenewed && l.holder != holder {
			l.holder, l.epoch, l.released = holder, epoch, false
		}
		if l.holder != holder || l.released {
			continue
		}
		l.until = time.Now().Add(ttl)
		renewed = append(renewed, carillon.Lease{Name: name, Holder: holder, Epoch: l.epoch})
	}
	return renewed
}

// release gives leases up, at one moment.
func (d *database) release(given []carillon.Lease, what string) {
	d.unpin(func(name string, _ *lease) bool {
		return slices.ContainsFunc(given, func(g carillon.Lease) bool { return g.Name == name })
	}, what)
	for _, g := range given {
		if l := d.leases[g.Name]; l != nil && (l.epoch == g.Epoch && l.holder == g.Holder || d.world.bug == anyLeaseReleased) {
			l.released = true
		}
	}
}

// list returns leases in order of name.
func (d *database) list(prefix string) []carillon.LeaseInfo {
	var infos []carillon.LeaseInfo
	for _, name := range slices.Sorted(maps.Keys(d.leases)) {
		l := d.leases[name]
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		info := carillon.LeaseInfo{Lease: carillon.Lease{Name: name, Holder: l.holder, Epoch: l.epoch}}
		if !l.released {
			info.Left = time.Until(l.until)
		}
		infos = append(infos, info)
	}
	return infos
}
