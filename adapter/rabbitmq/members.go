package rabbitmq

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
)

// members are the consumers of a subscription as one of them sees them. It is used by one goroutine.
type members struct {
	self string
	tick int
	all  map[string]int // the tick in which each was heard of last
}

func newMembers(self string) *members {
	return &members{self: self, all: map[string]int{self: 0}}
}

// add takes note that a member is there, and reports whether it is new.
func (m *members) add(id string) bool {
	_, known := m.all[id]
	m.all[id] = m.tick
	return !known
}

// remove reports whether the member was there.
func (m *members) remove(id string) bool {
	_, known := m.all[id]
	if id != m.self {
		delete(m.all, id)
	}
	return known && id != m.self
}

// next names the member behind this one, which this one looks after, or nobody.
func (m *members) next() string {
	ids := slices.Sorted(maps.Keys(m.all))
	i, _ := slices.BinarySearch(ids, m.self)
	if next := ids[(i+1)%len(ids)]; next != m.self {
		return next
	}
	return ""
}

// silent are the members that nothing was heard of for two refreshes: somebody else saw one end, whose word was lost, or overtaken by what
// the member had said before.
func (m *members) silent() (ids []string) {
	for id, heard := range m.all {
		if id != m.self && m.tick-heard > 2*refresh {
			ids = append(ids, id)
		}
	}
	return ids
}

// assigned tells which partitions are this member's. Whoever sees the same members comes to the same result: every member has as many
// partitions as any other, or one more, and a member that comes or goes moves few that need not move.
func (m *members) assigned(partitions int) []bool {
	ids := slices.Sorted(maps.Keys(m.all))
	least := partitions / len(ids)
	spare := partitions % len(ids) // so many members have one more
	has := make(map[string]int, len(ids))
	mine := make([]bool, partitions)
	for p := range partitions {
		slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(weight(a, p), weight(b, p)), cmp.Compare(a, b)) })
		i := slices.IndexFunc(ids, func(id string) bool { return has[id] < least || has[id] == least && spare > 0 })
		id := ids[i]
		if has[id] == least {
			spare--
		}
		has[id]++
		mine[p] = id == m.self
	}
	return mine
}

func weight(id string, partition int) uint64 {
	sum := fnv.New64a()
	sum.Write([]byte(id))
	sum.Write([]byte{byte(partition), byte(partition >> 8)})
	x := sum.Sum64()
	x ^= x >> 32 // FNV's last bytes reach its high bits too little
	x *= 0x9E3779B97F4A7C15
	return x ^ x>>29
}
