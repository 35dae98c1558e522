package topics

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEven(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		partitions, consumers int
		want                  []int
	}{
		{8, 1, []int{8}},
		{8, 3, []int{3, 3, 2}},
		{8, 8, []int{1, 1, 1, 1, 1, 1, 1, 1}},
		{2, 3, []int{1, 1, 0}},
	} {
		names := make([]string, test.consumers)
		for i := range names {
			names[i] = fmt.Sprint("consumer-", i)
		}
		var got []int
		for _, name := range names {
			got = append(got, even(test.partitions, names, name))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d partitions over %d consumers: %v, want %v", test.partitions, test.consumers, got, test.want)
		}
		if got := even(test.partitions, names, "stranger"); got != 0 {
			t.Errorf("one that is not among them is to have %d", got)
		}
	}
}

// publication is one of messages from a position on.
func publication(s *stream, first int64, count, size int) *Publication {
	messages := make([]carillon.Message, count)
	for i := range messages {
		messages[i] = carillon.Message{ID: fmt.Sprint(first + int64(i)), Payload: make([]byte, size)}
	}
	p := s.publication(messages)
	p.First = first
	return p
}

// What a stream keeps in memory has no gaps, whatever other processes publish in between, and is bounded.
func TestRecentMessages(t *testing.T) {
	t.Parallel()
	s := &stream{Topic: Topic{Partitions: 4}}
	s.join(&consumer{more: make(chan struct{}, 1)})
	for _, step := range []struct {
		what  string
		first int64
		count int
		after int64
		want  int
		ok    bool
		head  int64
	}{
		{"the first", 1, 3, 0, 3, true, 3},
		{"more behind them", 4, 2, 2, 3, true, 5},
		{"behind those of another process", 9, 2, 8, 2, true, 10},
		{"what the other process published is not there", 11, 1, 5, 0, false, 11},
		{"what comes late is not kept", 6, 3, 8, 3, true, 11},
		{"nothing is behind the last", 12, 1, 12, 0, true, 12},
	} {
		s.announce(publication(s, step.first, step.count, 1))
		publications, through, ok := s.tail(step.after, 100, nil)
		if got := int(through - step.after); ok != step.ok || s.last() != step.head || ok && got != step.want {
			t.Errorf("%s: %d messages of head %d, %v, want %d of %d, %v", step.what, got, s.last(), ok, step.want, step.head, step.ok)
		}
		next := step.after + 1
		for _, p := range publications {
			for i := max(0, next-p.First); i < int64(len(p.Messages)); i++ {
				if p.First+i != next || p.Messages[i].ID != fmt.Sprint(next) {
					t.Errorf("%s: %s stands at %d, want that of %d", step.what, p.Messages[i].ID, p.First+i, next)
				}
				next++
			}
		}
		if ok && next != through+1 {
			t.Errorf("%s: messages up to %d, said to be up to %d", step.what, next-1, through)
		}
	}
	for first := int64(13); first < 30_000; first += 100 {
		s.announce(publication(s, first, 100, 10))
	}
	if s.kept > recentMessages || s.kept < recentMessages/2 {
		t.Errorf("%d small messages are kept", s.kept)
	}
	if publications, through, _ := s.tail(s.head-250, 120, nil); len(publications) != 2 || through != s.head-130 {
		t.Errorf("120 messages are taken from %d publications of 100, up to %d of %d", len(publications), through, s.head)
	}
	for first := s.head + 1; first < 31_000; first += 10 {
		s.announce(publication(s, first, 10, 1<<20))
		if s.size > max(recentBytes, 10<<20) {
			t.Fatalf("%d bytes are kept", s.size)
		}
	}
	kept, size := 0, 0
	for i, p := range s.recent {
		kept += len(p.Messages)
		for _, m := range p.Messages {
			size += len(m.Payload)
		}
		if i > 0 && p.First != s.recent[i-1].last()+1 {
			t.Fatalf("position %d follows %d", p.First, s.recent[i-1].last())
		}
	}
	if kept != s.kept || size != s.size {
		t.Errorf("%d messages of %d bytes are kept, counted as %d of %d", kept, size, s.kept, s.size)
	}
}

// Messages go to the lanes that have not read them, and lanes that leave get none.
func TestQueue(t *testing.T) {
	t.Parallel()
	fresh := newLane(Share{Partition: 0, Position: 4})
	behind := newLane(Share{Partition: 1, Position: 1})
	gone := newLane(Share{Partition: 2, Position: 0})
	gone.gone = true
	var entries []Entry
	for position := int64(2); position <= 7; position++ {
		entries = append(entries, Entry{Position: position, Partition: int(position) % 3})
	}
	var q queue
	q.open([]*lane{fresh, behind, gone}, 3)
	for i := range entries {
		q.add(entries[i].Position, entries[i].Partition, &entries[i].Message)
	}
	q.pass(9)
	var got []int64
	for _, w := range q.waiting {
		got = append(got, w.position)
	}
	if want := []int64{4, 6, 7}; !slices.Equal(got, want) {
		t.Errorf("positions %v are queued, want %v", got, want)
	}
	for what, l := range map[string]*lane{"fresh": fresh, "behind": behind} {
		if l.scanned != 9 {
			t.Errorf("the %s lane has read up to %d", what, l.scanned)
		}
	}
	if fresh.checkpoint().Position != 5 || behind.checkpoint().Position != 3 {
		t.Errorf("the checkpoints are %d and %d, want 5 and 3", fresh.checkpoint().Position, behind.checkpoint().Position)
	}
}

// Shares in memory have one owner each, whose checkpoints alone count.
func TestLocalShares(t *testing.T) {
	t.Parallel()
	noted := make(map[int]int64)
	local := NewLocal(func(context.Context, int64) ([]int64, error) { return []int64{5, 6}, nil },
		func(_ context.Context, _ int64, checkpoints []Checkpoint) error {
			for _, c := range checkpoints {
				noted[c.Partition] = c.Position
			}
			return nil
		})
	ctx := t.Context()
	a, b := Member{Subscription: 1, Consumer: "a"}, Member{Subscription: 1, Consumer: "b"}
	claimed, err := local.Claim(ctx, a, []int{0, 1})
	if err != nil || len(claimed) != 2 || claimed[1] != (Share{Partition: 1, Consumer: "a", Epoch: 1, Position: 6}) {
		t.Fatalf("claimed %+v, %v", claimed, err)
	}
	if claimed, err := local.Claim(ctx, b, []int{0, 1}); err != nil || len(claimed) != 0 {
		t.Fatalf("what is another's was claimed: %+v, %v", claimed, err)
	}
	if err := local.Release(ctx, a, []Checkpoint{{Partition: 0, Epoch: 1, Position: 9}}); err != nil {
		t.Fatal(err)
	}
	claimed, err = local.Claim(ctx, b, []int{0, 1})
	if err != nil || len(claimed) != 1 || claimed[0] != (Share{Partition: 0, Consumer: "b", Epoch: 2, Position: 9}) {
		t.Fatalf("claimed %+v, %v", claimed, err)
	}
	lost, err := local.Save(ctx, a, []Checkpoint{{Partition: 0, Epoch: 1, Position: 11}, {Partition: 1, Epoch: 1, Position: 12, Held: 3, Ahead: 2}})
	if err != nil || !slices.Equal(lost, []int{0}) || noted[0] != 9 || noted[1] != 12 {
		t.Errorf("lost %v, noted %v, %v", lost, noted, err)
	}
	if held, ahead := local.Held(1); held != 3 || ahead != 2 {
		t.Errorf("%d held and %d settled ahead, want 3 and 2", held, ahead)
	}
}

// A checkpoint that could not be noted, as when the consumer leaves meanwhile, is noted when the partition is given up, or by whoever has it
// next.
func TestLocalSharesNoteWhatTheyCouldNot(t *testing.T) {
	t.Parallel()
	noted, fails := int64(5), false
	local := NewLocal(func(context.Context, int64) ([]int64, error) { return []int64{5}, nil },
		func(_ context.Context, _ int64, checkpoints []Checkpoint) error {
			if fails {
				return context.Canceled
			}
			noted = checkpoints[0].Position
			return nil
		})
	for _, step := range []struct {
		what     string
		claim    bool
		epoch    int64
		position int64
		release  bool
		fails    bool
		noted    int64
	}{
		{what: "a save that fails", claim: true, epoch: 1, position: 7, fails: true, noted: 5},
		{what: "a release at the same place", epoch: 1, position: 7, release: true, noted: 7},
		{what: "a release that fails", claim: true, epoch: 2, position: 9, release: true, fails: true, noted: 7},
		{what: "the next one stands still", claim: true, epoch: 3, position: 9, noted: 9},
		{what: "it goes on", epoch: 3, position: 11, noted: 11},
		{what: "the one before comes late", epoch: 2, position: 10, noted: 11},
	} {
		member := Member{Subscription: 1, Consumer: "a"}
		if step.claim {
			if claimed, err := local.Claim(t.Context(), member, []int{0}); err != nil || len(claimed) != 1 || claimed[0].Epoch != step.epoch {
				t.Fatalf("%s: claimed %+v, %v", step.what, claimed, err)
			}
		}
		fails = step.fails
		save := func(ctx context.Context, member Member, checkpoints []Checkpoint) error {
			_, err := local.Save(ctx, member, checkpoints)
			return err
		}
		if step.release {
			save = local.Release
		}
		err := save(t.Context(), member, []Checkpoint{{Epoch: step.epoch, Position: step.position}})
		if (err != nil) != step.fails || noted != step.noted {
			t.Errorf("%s: noted %d, %v, want %d", step.what, noted, err, step.noted)
		}
	}
}
