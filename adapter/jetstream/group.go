package jetstream

import (
	"maps"
	"slices"
	"time"
)

// group is what is known of the consumers that share a subscription, and of who owns what.
type group struct {
	partitions int
	members    map[string]member
	claims     map[int]claim
}

func newGroup(partitions int) *group {
	return &group{partitions: partitions, members: make(map[string]member), claims: make(map[int]claim)}
}

// share returns how many partitions a member should have: they are spread evenly over those who live and want some.
func (g *group) share(me string, now time.Time) int {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(g.members)) {
		if m := g.members[name]; name == me || m.alive(now) && !m.Resting {
			names = append(names, name)
		}
	}
	rank, ok := slices.BinarySearch(names, me)
	if !ok {
		return 0
	}
	share := g.partitions / len(names)
	if rank < g.partitions%len(names) {
		share++
	}
	return share
}

// alone reports whether nobody else would take a partition.
func (g *group) alone(me string, now time.Time) bool {
	for name, m := range g.members {
		if name != me && m.alive(now) && !m.Resting {
			return false
		}
	}
	return true
}

// free returns the partitions that a member may claim, beginning at a place of its own so that members seldom want the same.
func (g *group) free(me string, now time.Time) []int {
	names := slices.Sorted(maps.Keys(g.members))
	begin := 0
	if len(names) > 0 {
		begin = slices.Index(names, me) * g.partitions / len(names)
	}
	var free []int
	for i := range g.partitions {
		number := (begin + i + g.partitions) % g.partitions
		owner := g.claims[number].Owner
		if m, ok := g.members[owner]; owner == "" || owner == me || !ok || !m.alive(now) {
			free = append(free, number)
		}
	}
	return free
}

// dead returns the members that have shown no sign of life for long and own nothing.
func (g *group) dead(now time.Time) []string {
	var dead []string
	for name, m := range g.members {
		owns := slices.ContainsFunc(slices.Collect(maps.Values(g.claims)), func(c claim) bool { return c.Owner == name })
		if !owns && now.Sub(m.heard) > 2*m.ttl() {
			dead = append(dead, name)
		}
	}
	return dead
}
