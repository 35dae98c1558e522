package rabbitmq

import (
	"fmt"
	"testing"
)

// owners works out each partition's owner as every member does.
func owners(t *testing.T, ids []string, partitions int) []string {
	t.Helper()
	found := make([]string, partitions)
	for _, self := range ids {
		m := newMembers(self)
		for _, id := range ids {
			m.add(id)
		}
		for p, mine := range m.assigned(partitions) {
			if mine && found[p] != "" {
				t.Fatalf("partition %d is both %s's and %s's", p, found[p], self)
			}
			if mine {
				found[p] = self
			}
		}
	}
	return found
}

func TestPartitionsAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 2, 8, 13, 256} {
		for count := 1; count <= 12; count++ {
			ids := make([]string, count)
			for i := range ids {
				ids[i] = fmt.Sprint("consumer-", i)
			}
			has := make(map[string]int)
			for p, owner := range owners(t, ids, partitions) {
				if owner == "" {
					t.Fatalf("%d partitions, %d members: partition %d is nobody's", partitions, count, p)
				}
				has[owner]++
			}
			for _, id := range ids {
				if least := partitions / count; has[id] < least || has[id] > least+1 {
					t.Errorf("%d partitions, %d members: %s has %d", partitions, count, id, has[id])
				}
			}
		}
	}
}

// TestFewPartitionsMove has a fifth member join four: most partitions stay where they are.
func TestFewPartitionsMove(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "c", "d", "e"}
	before, after := owners(t, ids[:4], 100), owners(t, ids, 100)
	moved := 0
	for p := range before {
		if before[p] != after[p] {
			moved++
		}
	}
	if moved < 20 || moved > 45 {
		t.Errorf("%d of 100 partitions moved, at least 20 must", moved)
	}
}

func TestNextMember(t *testing.T) {
	t.Parallel()
	m := newMembers("b")
	if next := m.next(); next != "" {
		t.Errorf("alone it looks after %q", next)
	}
	m.add("a")
	m.add("c")
	if next := m.next(); next != "c" {
		t.Errorf("b looks after %q, want c", next)
	}
	if !m.remove("c") || m.remove("c") || m.remove("b") {
		t.Error("a member is removed once, oneself never")
	}
	if next := m.next(); next != "a" {
		t.Errorf("b looks after %q, want a", next)
	}
}
