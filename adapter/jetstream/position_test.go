package jetstream

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

// filled is a partition with messages 10, 20, 30 and so on to be handed out.
func filled(base position, n int) *partition {
	p := newPartition(0, 1, base)
	for i := range n {
		sequence := uint64(10 * (i + 1))
		if sequence > base.Floor {
			p.buffer.push(&arrived{sequence: sequence}, base.settled(sequence))
		}
	}
	return p
}

func TestPosition(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		take int
		ack  []int
		want position
	}{
		{name: "nothing", want: position{}},
		{name: "handed out", take: 3, want: position{Through: 30, Unsettled: 3}},
		{name: "the first settled", take: 3, ack: []int{0}, want: position{Floor: 10, Through: 30, Unsettled: 2}},
		{name: "all settled", take: 3, ack: []int{2, 0, 1}, want: position{Floor: 30, Through: 30}},
		{
			name: "gaps", take: 6, ack: []int{0, 2, 3, 5},
			want: position{Floor: 10, Through: 60, Unsettled: 2, Done: []span{{From: 20, To: 40, Count: 2}, {From: 50, To: 60, Count: 1}}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := filled(position{}, 8)
			given := p.take(nil, test.take, time.Time{})
			for _, i := range test.ack {
				if e := given[i].Handle.(*entry); !p.settle(e) || p.settle(e) {
					t.Errorf("delivery %d is not settled once", i)
				}
			}
			if diff := cmp.Diff(test.want, p.position()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOwners has a partition change hands at random: in the end every message was settled, none was handed out after that, and
// attempts were counted.
func TestOwners(t *testing.T) {
	t.Parallel()
	const n = 60
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		at := position{}
		settled, attempts := make(map[uint64]bool), make(map[uint64]int)
		for owners := 0; len(settled) < n; owners++ {
			p := filled(at.next(), n)
			given := p.take(nil, random.IntN(n+1), time.Time{})
			checkGiven(t, given, settled, attempts)
			for _, d := range given {
				if e := d.Handle.(*entry); random.IntN(3) > 0 || owners > 50 {
					p.settle(e)
					settled[e.sequence] = true
				}
			}
			at = p.position()
			if int(at.Unsettled)+len(settled) > n || p.unsettled != at.Unsettled {
				t.Fatalf("%d settled, position %+v", len(settled), at)
			}
		}
		if at.Floor != 10*n && at.next().done() == 0 {
			t.Fatalf("all is settled, position %+v", at)
		}
	}
}

func checkGiven(t testing.TB, given []carillon.Delivery, settled map[uint64]bool, attempts map[uint64]int) {
	t.Helper()
	inOrder := slices.IsSortedFunc(given, func(a, b carillon.Delivery) int {
		return int(a.Handle.(*entry).sequence) - int(b.Handle.(*entry).sequence)
	})
	if !inOrder {
		t.Fatal("handed out in another order")
	}
	for _, d := range given {
		sequence := d.Handle.(*entry).sequence
		if settled[sequence] {
			t.Fatalf("%d came again although it was settled", sequence)
		}
		if attempts[sequence]++; d.Attempt != attempts[sequence] && attempts[sequence] < mostMarks {
			t.Fatalf("%d is attempt %d, want %d", sequence, d.Attempt, attempts[sequence])
		}
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	now := time.Now()
	live := func(rest bool) member { return member{TTL: 1000, heard: now, Resting: rest} }
	tests := []struct {
		name    string
		members map[string]member
		want    map[string]int
	}{
		{name: "alone", members: map[string]member{"a": live(false)}, want: map[string]int{"a": 8}},
		{
			name: "three", members: map[string]member{"a": live(false), "b": live(false), "c": live(false)},
			want: map[string]int{"a": 3, "b": 3, "c": 2},
		},
		{
			name: "one dead, one resting", want: map[string]int{"a": 4, "b": 4},
			members: map[string]member{"a": live(false), "b": live(false), "c": {TTL: 1000, heard: now.Add(-time.Minute)}, "d": live(true)},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(8)
			g.members = test.members
			got := make(map[string]int)
			for name := range test.want {
				got[name] = g.share(name, now)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := newGroup(6)
	g.members = map[string]member{"a": {TTL: 1000, heard: now}, "b": {TTL: 1000, heard: now}, "c": {TTL: 1000, heard: now.Add(-time.Minute)}}
	g.claims = map[int]claim{0: {Owner: "a"}, 1: {Owner: "b"}, 2: {Owner: "c"}, 3: {}, 4: {Owner: "gone"}}
	if diff := cmp.Diff([]int{2, 3, 4, 5, 1}, g.free("b", now)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string(nil), g.dead(now)); diff != "" {
		t.Errorf("one with a claim is buried: %s", diff)
	}
	g.claims[2] = claim{Owner: "a"}
	if diff := cmp.Diff([]string{"c"}, g.dead(now)); diff != "" {
		t.Error(diff)
	}
}
