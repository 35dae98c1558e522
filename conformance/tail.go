package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

const (
	tailEven, tailOdd              = "tail.even", "tail.odd"
	tailThird         carillon.Tag = "third:yes"
	tailStreams                    = 8
)

// tail is a log that many append to while others read it. Every event says who wrote it and where it stands among its writer's,
// so that a reader notices at once when one is missing, twice there, or out of order.
type tail struct {
	*subject

	perWriter int
	perBatch  int
	streamed  [tailStreams]atomic.Int64
	appending atomic.Bool
	activity  *bell
}

// checkTail has readers follow the log while writers append: pages of all events and of some, streams, the head. Nobody may
// skip an event, see a hole, or see a batch in part.
func checkTail(ctx context.Context, s *subject) error {
	t := &tail{subject: s, activity: newBell()}
	t.perWriter = (s.sizes.TailedEvents + s.sizes.Writers - 1) / s.sizes.Writers
	t.perBatch = min(max(s.sizes.TailedEvents/512, 8), 128)
	t.appending.Store(true)

	readers, readersCtx := newGroup(ctx)
	for _, reader := range t.readers(readersCtx) {
		readers.start(reader)
	}
	writers, writersCtx := newGroup(readersCtx)
	for writer := range s.sizes.Writers {
		random := rand.New(rand.NewPCG(s.seed, uint64(writer)))
		writers.start(func() error { return t.write(writersCtx, writer, random) })
	}
	writing := writers.wait()
	t.appending.Store(false)
	t.activity.ring()
	if writing != nil {
		readers.cancel()
	}
	// Whoever fails ends the others, so the error that is not about an ended context comes first.
	if err := readers.wait(); err != nil && (writing == nil || !isContextError(err)) {
		return err
	}
	if writing != nil {
		return writing
	}
	head, err := s.log.Head(ctx)
	if err != nil {
		return err
	}
	if want := carillon.Position(t.perWriter * s.sizes.Writers); head != want {
		return fmt.Errorf("the head is %d after %d events", head, want)
	}
	return nil
}

// mark is what an event of a tail says of itself: its writer, its number among the writer's events, and its place in its batch.
type mark struct {
	writer, number, place, size int
}

func (m mark) message(s *subject) carillon.Message {
	typ := tailEven
	if m.number%2 == 1 {
		typ = tailOdd
	}
	tags := []carillon.Tag{writerTag(m.writer)}
	if m.number%3 == 0 {
		tags = append(tags, tailThird)
	}
	event := s.event(typ, tags...)
	event.Payload = nil
	for _, n := range []int{m.writer, m.number, m.place, m.size} {
		event.Payload = binary.BigEndian.AppendUint32(event.Payload, uint32(n))
	}
	return event
}

func markOf(event *carillon.Recorded) (mark, error) {
	if len(event.Payload) != 16 {
		return mark{}, fmt.Errorf("position %d has a payload of %d bytes, appended were 16", event.Position, len(event.Payload))
	}
	n := func(i int) int { return int(binary.BigEndian.Uint32(event.Payload[4*i:])) }
	return mark{writer: n(0), number: n(1), place: n(2), size: n(3)}, nil
}

func writerTag(writer int) carillon.Tag { return carillon.Tag(fmt.Sprintf("writer:%d", writer)) }

// write appends a writer's events in batches, some of them with an append that must be refused in the middle.
func (t *tail) write(ctx context.Context, writer int, random *rand.Rand) error {
	stream := writer % tailStreams
	for number := 0; number < t.perWriter; {
		size := min(1+random.IntN(2*t.perBatch), t.perWriter-number)
		var batch []carillon.Append
		var want []outcome
		for place := 0; place < size; {
			count := 1 + random.IntN(size-place)
			a := carillon.Append{}
			if random.IntN(2) == 0 {
				a = to(tailStream(stream), carillon.AnyVersion())
				t.streamed[stream].Add(int64(count))
			}
			for range count {
				place++
				a.Events = append(a.Events, mark{writer, number, place, size}.message(t.subject))
				number++
			}
			batch, want = append(batch, a), append(want, accepted)
			if random.IntN(4) == 0 {
				batch = append(batch, to(tailStream(stream), carillon.Exactly(1<<40), t.event("tail.refused")))
				want = append(want, versionConflict)
			}
		}
		if err := t.appendBatch(ctx, batch, want); err != nil {
			return fmt.Errorf("writer %d: %w", writer, err)
		}
	}
	return nil
}

func (t *tail) appendBatch(ctx context.Context, batch []carillon.Append, want []outcome) error {
	t.activity.ring()
	verdicts, err := t.append(ctx, batch...)
	t.activity.ring()
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	last := carillon.Position(0)
	for i, verdict := range verdicts {
		if got, _ := outcomeOf(verdict); got != want[i] {
			return fmt.Errorf("append %d of %d (%s): %s, want %s", i+1, len(batch), describe(&batch[i]), got, want[i])
		}
		last = max(last, verdict.Appended.Last)
	}
	head, err := t.log.Head(ctx)
	if err == nil && head < last {
		err = fmt.Errorf("it is %d although an append up to %d has been answered", head, last)
	}
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	return nil
}

func tailStream(number int) string { return fmt.Sprintf("tail-%d", number) }
