package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// until follows from the start until a position has been reached, and returns an error for the first event out of order.
func until(ctx context.Context, log *eventlog.Log, last carillon.Position) error {
	at := carillon.Position(0)
	for batch, err := range log.Follow(ctx, 0) {
		if err != nil {
			return err
		}
		for i := range batch.Entries {
			if at++; batch.Entries[i].Position != at {
				return fmt.Errorf("position %d comes after %d", batch.Entries[i].Position, at-1)
			}
		}
		if batch.Through != at {
			return fmt.Errorf("the batch says it goes through %d, its last event is at %d", batch.Through, at)
		}
		if at == last {
			return nil
		}
	}
	return errors.New("the sequence ended")
}

// TestFollowWhileManyAppend appends 100,000 events from 16 callers while three followers look for holes.
func TestFollowWhileManyAppend(t *testing.T) {
	t.Parallel()
	const writers, each, size = 16, 625, 10
	log := eventlog.New(newPort())
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			if err := until(t.Context(), log, writers*each*size); err != nil {
				t.Error(err)
			}
		})
	}
	for writer := range writers {
		running.Go(func() {
			for i := range each {
				a := carillon.Append{Stream: fmt.Sprint("w-", writer), Expect: carillon.AnyVersion()}
				for n := range size {
					a.Events = append(a.Events, events(fmt.Sprint(writer, "/", i, "/", n))...)
				}
				if _, err := log.Append(t.Context(), a); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
}

// TestASkippedEventIsNoticed is the control: a port whose pages leave out an event.
func TestASkippedEventIsNoticed(t *testing.T) {
	t.Parallel()
	p := newPort()
	fill(t, p.Log, 5000)
	p.read = func(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error) {
		page, err := p.Log.Read(ctx, carillon.AllEvents(), after, limit)
		if after >= 2000 && len(page.Events) > 1 {
			page.Events = append(page.Events[:1:1], page.Events[2:]...)
		}
		return page, err
	}
	if err := until(t.Context(), eventlog.New(p), 5000); err == nil {
		t.Error("nobody noticed")
	}
}

// follow collects what a follower says until it ends, as position:caughtUp.
func follow(t testing.TB, log *eventlog.Log, after carillon.Position, options ...eventlog.FollowOption) []string {
	t.Helper()
	var said []string
	for batch, err := range log.Follow(t.Context(), after, options...) {
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, fmt.Sprintf("%d through %d %v", len(batch.Entries), batch.Through, batch.CaughtUp))
	}
	return said
}

func TestStopAtHead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		count int
		after carillon.Position
		want  []string
	}{
		{"an empty log", 0, 0, []string{"0 through 0 true"}},
		{"one event", 1, 0, []string{"1 through 1 true"}},
		{"from the middle", 10, 4, []string{"6 through 10 true"}},
		{"from the head", 10, 10, []string{"0 through 10 true"}},
		{"two pages", 3000, 0, []string{"2000 through 2000 false", "1000 through 3000 true"}},
		{"a page exactly", 2000, 0, []string{"2000 through 2000 true"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPort()
			fill(t, p.Log, test.count)
			got := follow(t, eventlog.New(p), test.after, eventlog.StopAtHead())
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("batches %q, want %q", got, test.want)
			}
		})
	}
}

// TestCaughtUpComesAtTheEndOnly: pages that end early because their events are large are not the end of the log.
func TestCaughtUpComesAtTheEndOnly(t *testing.T) {
	t.Parallel()
	p := newPort()
	large := carillon.Append{Events: events("1", "2", "3", "4", "5")}
	for i := range large.Events {
		large.Events[i].Payload = make([]byte, 1<<20)
	}
	if _, err := p.Log.Append(t.Context(), []carillon.Append{large}); err != nil {
		t.Fatal(err)
	}
	log := eventlog.New(p)
	for range 2 { // from the port, then from kept pages
		batches := 0
		for batch, err := range log.Follow(t.Context(), 0, eventlog.StopAtHead()) {
			if err != nil {
				t.Fatal(err)
			}
			batches++
			if batch.CaughtUp != (batch.Through == 5) {
				t.Errorf("caught up is %v at position %d of 5", batch.CaughtUp, batch.Through)
			}
		}
		if batches < 2 {
			t.Fatalf("%d batches: the pages did not end early, so nothing was tested", batches)
		}
	}
}

// TestAKeptPageIsNotTheEnd: a follower that gets a page another one has read, and nobody has read on, is told that there is more.
func TestAKeptPageIsNotTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, readOn := newPort(), make(chan struct{})
		fill(t, p.Log, 2100)
		p.read = func(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error) {
			if after > 0 {
				<-readOn
			}
			return p.Log.Read(ctx, carillon.AllEvents(), after, limit)
		}
		log := eventlog.New(p)
		said := make(chan string, 10)
		tell := func(after carillon.Position) {
			for batch, err := range log.Follow(t.Context(), after, eventlog.StopAtHead()) {
				said <- fmt.Sprintf("%d %v %v %v", batch.Through, batch.CaughtUp, batch.More, err)
			}
		}
		for _, after := range []carillon.Position{0, 0, 1500} {
			go tell(after)
			synctest.Wait()
			if got := <-said; got != "2000 false true <nil>" {
				t.Errorf("it says %q of a page that is not the last", got)
			}
		}
		if reads := p.reads.Load(); reads != 2 {
			t.Errorf("%d reads: the first page was not kept", reads)
		}
		close(readOn)
		for range 3 {
			if got := <-said; got != "2100 true false <nil>" {
				t.Errorf("it says %q of the last page", got)
			}
		}
	})
}

// TestStopAtHeadSeesWhatWasAcknowledged: a follower that shares a read begun before an append must not stop at its answer.
func TestStopAtHeadSeesWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, hold := newPort(), newGate()
		held := false
		p.read = func(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error) {
			page, err := p.Log.Read(ctx, carillon.AllEvents(), after, limit)
			if !held {
				held = true
				hold.pass()
			}
			return page, err
		}
		log := eventlog.New(p)
		results := make(chan []string, 2)
		go func() { results <- follow(t, log, 0, eventlog.StopAtHead()) }()
		hold.reached() // it has found the log empty
		if _, err := log.Append(t.Context(), one("s", "1")); err != nil {
			t.Fatal(err)
		}
		go func() { results <- follow(t, log, 0, eventlog.StopAtHead()) }()
		synctest.Wait()
		hold.release()
		for range 2 {
			if got := <-results; got[len(got)-1] != "1 through 1 true" {
				t.Errorf("batches %q, the last is not the event that was acknowledged before", got)
			}
		}
	})
}

func TestFollowGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := eventlog.New(newPort())
		ctx, cancel := context.WithCancel(t.Context())
		said := make(chan string)
		go func() {
			defer close(said)
			for batch, err := range log.Follow(ctx, 0) {
				said <- fmt.Sprintf("%d through %d %v %v", len(batch.Entries), batch.Through, batch.CaughtUp, err)
			}
		}()
		hear := func(want string) {
			t.Helper()
			if got := <-said; got != want {
				t.Errorf("it says %q, want %q", got, want)
			}
		}
		hear("0 through 0 true <nil>")
		before := time.Now()
		for i := range 3 {
			if _, err := log.Append(t.Context(), one("s", fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			hear(fmt.Sprintf("1 through %d true <nil>", i+1))
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("appends through the same log woke it after %v", waited)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		cancel()
		hear("0 through 0 false context canceled") // and nothing in the quiet minute before
		if said, more := <-said; more {
			t.Errorf("it goes on after its error: %q", said)
		}
	})
}

// TestFollowFindsWhatOthersAppend: another log over the same port stands for another process.
func TestFollowFindsWhatOthersAppend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const poll = 50 * time.Millisecond
		p := newPort()
		log, other := eventlog.New(p, eventlog.PollEvery(poll)), eventlog.New(p)
		found := make(chan carillon.Position)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for batch, err := range log.Follow(ctx, 0) {
				if err == nil && len(batch.Entries) > 0 {
					found <- batch.Through
				}
			}
		}()
		for i := range carillon.Position(5) {
			<-time.After(7 * time.Millisecond)
			before := time.Now()
			if _, err := other.Append(t.Context(), one("s", fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			if got := <-found; got != i+1 {
				t.Errorf("found position %d, want %d", got, i+1)
			}
			if took := time.Since(before); took > poll {
				t.Errorf("it took %v, the log polls every %v", took, poll)
			}
		}
	})
}

// TestFollowFromBeyondTheEnd: a position nobody has reached says nothing about the log.
func TestFollowFromBeyondTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		log := eventlog.New(p)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		found := make(chan carillon.Position, 10)
		for _, after := range []carillon.Position{3, 0} {
			go func() {
				for batch, err := range log.Follow(ctx, after) {
					if err == nil && len(batch.Entries) > 0 {
						found <- batch.Entries[0].Position
					}
				}
			}()
			synctest.Wait()
		}
		before := p.reads.Load()
		<-time.After(10 * time.Second)
		if reads := p.reads.Load() - before; reads > 25 {
			t.Fatalf("%d reads in ten seconds, two followers poll every second", reads)
		}
		if _, err := log.Append(t.Context(), carillon.Append{Events: events("1", "2", "3", "4")}); err != nil {
			t.Fatal(err)
		}
		if a, b := <-found, <-found; a+b != 1+4 {
			t.Errorf("the followers' first events are at %d and %d, want 1 and 4", a, b)
		}
	})
}

func TestFollowEndsWithTheStoresError(t *testing.T) {
	t.Parallel()
	p := newPort()
	fill(t, p.Log, 2000)
	p.read = func(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error) {
		if after > 0 {
			return carillon.Page{}, errBroken
		}
		return p.Log.Read(ctx, carillon.AllEvents(), after, limit)
	}
	var said []error
	for _, err := range eventlog.New(p).Follow(t.Context(), 0) {
		said = append(said, err)
	}
	if len(said) != 2 || said[0] != nil || !errors.Is(said[1], errBroken) {
		t.Errorf("errors %v, want none and then that of the store", said)
	}
}

// TestLeavingTheLoopLeavesNothingBehind ends loops in every way there is. In the bubble a goroutine left behind fails the test,
// and so does preparing that outlives the loop.
func TestLeavingTheLoopLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	leave := map[string]func(cancel context.CancelFunc) bool{
		"break":   func(context.CancelFunc) bool { return true },
		"cancel":  func(cancel context.CancelFunc) bool { cancel(); return false },
		"panic":   func(context.CancelFunc) bool { panic("in the loop") },
		"Goexit":  func(context.CancelFunc) bool { runtime.Goexit(); return true },
		"go on":   func(context.CancelFunc) bool { return false },
		"go slow": func(context.CancelFunc) bool { <-time.After(time.Hour); return false },
	}
	for name, step := range leave {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPort()
				fill(t, p.Log, 20_000)
				log := eventlog.New(p)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var mu sync.Mutex
				preparing := make(map[*eventlog.Entry]bool)
				prepare := eventlog.Prepare(func(entry *eventlog.Entry) {
					mu.Lock()
					preparing[entry] = true
					mu.Unlock()
					if entry.Position%2000 == 0 {
						<-time.After(time.Minute)
					}
					mu.Lock()
					delete(preparing, entry)
					mu.Unlock()
				})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					defer func() {
						if cause := recover(); cause != nil {
							t.Log("the loop ended with", cause)
						}
					}()
					for _, err := range log.Follow(ctx, 0, prepare, eventlog.StopAtHead()) {
						if err != nil && !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
						if step(cancel) {
							break
						}
					}
				}()
				<-ended
				mu.Lock()
				defer mu.Unlock()
				if len(preparing) > 0 {
					t.Errorf("%d entries are being prepared although the loop has ended", len(preparing))
				}
			})
		})
	}
}
