package eventlog

import (
	"context"
	"iter"
	"time"

	"github.com/carillon-go/carillon"
)

// readAhead is how many pages a follower has in hand beyond the one being handled.
const readAhead = 2

// Batch is the next stretch of the log.
type Batch struct {
	// Entries are events in order without holes; empty when a caught-up follower is told so.
	Entries []Entry
	// Through is the position to continue after.
	Through carillon.Position
	// CaughtUp reports that there was nothing more when the batch was read, More that a limit ended the batch and not the log: the
	// next one comes at once.
	CaughtUp, More bool
}

// crowd is how many events a batch has when more are sure to follow soon.
const crowd = 16

type follower struct {
	log     *Log
	prepare func(*Entry)
	stop    bool
	gather  time.Duration
	hurry   func() <-chan struct{}
}

// FollowOption changes how [Log.Follow] follows.
type FollowOption func(*follower)

// Prepare has a function called on every entry ahead of its batch, on another goroutine: a place to decode. It is called for
// several entries at a time and must not rely on their order.
func Prepare(prepare func(*Entry)) FollowOption { return func(f *follower) { f.prepare = prepare } }

// StopAtHead ends the sequence once everything that stood in the log has been yielded, instead of waiting for more.
func StopAtHead() FollowOption { return func(f *follower) { f.stop = true } }

// Gather lets a follower that has caught up wait up to a limit before it reads on, while events come in crowds: batches grow,
// and what is done once a batch is done less often. A channel that hurry returns cuts the wait short when it is closed.
func Gather(limit time.Duration, hurry func() <-chan struct{}) FollowOption {
	return func(f *follower) { f.gather, f.hurry = limit, hurry }
}

// Follow yields the log after a position, batch by batch, and then what is appended, until the context ends or the caller
// breaks off. Every event comes exactly once and in order. The last yield carries an error: the context's, or the store's.
//
// It reads ahead while the caller handles a batch, as long as there is history to read, and holds no transaction meanwhile. At the
// end of the log it reads on when the last batch is handled, so that a busy caller finds fewer and larger batches. A batch that says CaughtUp comes at least
// once, with or without entries, when the follower reaches the end of the log.
func (l *Log) Follow(ctx context.Context, after carillon.Position, options ...FollowOption) iter.Seq2[Batch, error] {
	f := &follower{log: l}
	for _, option := range options {
		option(f)
	}
	return func(yield func(Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ahead := make(chan *ahead, readAhead)
		go f.read(ctx, after, ahead)
		defer func() { // let the reader end, also when the caller's loop panics
			cancel()
			for left := range ahead {
				<-left.prepared
			}
		}()
		for next := range ahead {
			<-next.prepared
			if !yield(next.batch, next.err) || next.err != nil {
				return
			}
			close(next.handled)
		}
	}
}

// ahead is a batch being prepared.
type ahead struct {
	batch    Batch
	err      error
	prepared chan struct{}
	handled  chan struct{}
}

// read sends batches until the log, the context or the store ends.
func (f *follower) read(ctx context.Context, after carillon.Position, out chan<- *ahead) {
	defer close(out)
	told := false // that the follower has caught up
	for {
		page, err := f.log.feed.next(ctx, after)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			f.send(ctx, out, &ahead{err: err})
			return
		}
		after = page.through
		if len(page.entries) > 0 { // a follower may begin beyond the end of the log
			f.log.head.advance(after)
		}
		caughtUp := !page.more && f.log.head.position() <= after
		if len(page.entries) > 0 || caughtUp && !told {
			next := &ahead{batch: Batch{Entries: page.entries, Through: after, CaughtUp: caughtUp, More: page.more}}
			if !f.send(ctx, out, next) {
				return
			}
			if !page.more {
				f.rest(ctx, next)
			}
		}
		told = caughtUp
		if len(page.entries) > 0 || !caughtUp {
			continue
		}
		if f.stop {
			return
		}
		f.wait(ctx, after)
	}
}

// send prepares a batch on a goroutine of its own and passes it on in order.
func (f *follower) send(ctx context.Context, out chan<- *ahead, next *ahead) bool {
	next.prepared, next.handled = make(chan struct{}), make(chan struct{})
	if f.prepare == nil || len(next.batch.Entries) == 0 {
		close(next.prepared)
	} else {
		go func() {
			defer close(next.prepared)
			for i := range next.batch.Entries {
				f.prepare(&next.batch.Entries[i])
			}
		}()
	}
	select {
	case out <- next:
		return true
	case <-ctx.Done():
		<-next.prepared
		if next.err == nil {
			next = &ahead{err: ctx.Err(), prepared: make(chan struct{})}
			close(next.prepared)
		}
		out <- next
		return false
	}
}

// rest returns when a batch at the end of the log is handled and more events may have gathered.
func (f *follower) rest(ctx context.Context, last *ahead) {
	select {
	case <-last.handled:
	case <-ctx.Done():
	}
	if f.gather == 0 || f.stop || len(last.batch.Entries) < crowd {
		return
	}
	timer := time.NewTimer(f.gather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.hurry():
	case <-ctx.Done():
	}
}

// wait returns when there may be more events, when it is time to look, or when the context ends.
func (f *follower) wait(ctx context.Context, after carillon.Position) {
	more := f.log.head.beyond(after)
	if more == nil {
		return
	}
	timer := time.NewTimer(f.log.poll)
	defer timer.Stop()
	select {
	case <-more:
	case <-timer.C:
	case <-ctx.Done():
	}
}
