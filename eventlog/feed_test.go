package eventlog_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// count follows to the head and returns how many events came, checking each, and how often the port was read for it.
func count(t testing.TB, p *port, log *eventlog.Log, after carillon.Position) (entries int, reads int64) {
	t.Helper()
	before := p.reads.Load()
	for batch, err := range log.Follow(t.Context(), after, eventlog.StopAtHead()) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Entries {
			entries++
			if at := after + carillon.Position(entries); batch.Entries[i].Position != at || batch.Entries[i].ID != fmt.Sprint(at) {
				t.Fatalf("event %q at position %d, want that of %d", batch.Entries[i].ID, batch.Entries[i].Position, at)
			}
		}
	}
	return entries, p.reads.Load() - before
}

func TestPagesAreKeptForOthers(t *testing.T) {
	t.Parallel()
	p := newPort()
	fill(t, p.Log, 8000)
	log := eventlog.New(p)
	tests := []struct {
		name    string
		after   carillon.Position
		entries int
		reads   int64 // one of them to see the end
	}{
		{"the first reads every page", 0, 8000, 5},
		{"the second reads the end", 0, 8000, 1},
		{"the middle of a page", 1500, 6500, 1},
		{"the last event of a page", 1999, 6001, 1},
		{"a page's end", 2000, 6000, 1},
		{"the head", 8000, 0, 1},
	}
	for _, test := range tests { // each builds on the ones before
		entries, reads := count(t, p, log, test.after)
		if entries != test.entries || reads != test.reads {
			t.Errorf("%s: %d events in %d reads, want %d in %d", test.name, entries, reads, test.entries, test.reads)
		}
	}
}

// TestPagesOverlap follows from between two pages, reads pages of other bounds, and then gets a suffix of whichever is kept.
func TestPagesOverlap(t *testing.T) {
	t.Parallel()
	p := newPort()
	fill(t, p.Log, 9000)
	log := eventlog.New(p)
	for _, after := range []carillon.Position{700, 0, 350, 2699, 2700, 2701, 8999} {
		if entries, _ := count(t, p, log, after); entries != 9000-int(after) {
			t.Errorf("%d events after %d, want %d", entries, after, 9000-int(after))
		}
	}
}

func TestOldPagesAreDropped(t *testing.T) {
	t.Parallel()
	p := newPort()
	fill(t, p.Log, 20_000)
	log := eventlog.New(p)
	if _, reads := count(t, p, log, 0); reads != 11 {
		t.Fatalf("%d reads of the port, want 11", reads)
	}
	if _, reads := count(t, p, log, 8000); reads != 1 {
		t.Errorf("the last pages took %d reads, want the end's alone: they are not kept", reads)
	}
	if entries, reads := count(t, p, log, 0); entries != 20_000 || reads < 2 {
		t.Errorf("all pages took %d reads for %d events: everything is kept", reads, entries)
	}
}

// TestFollowersShareARead starts two followers while the first one's read is under way.
func TestFollowersShareARead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		cancel bool // the context of the follower that reads
		reads  int64
	}{
		{"the reader finishes", false, 1},
		{"the reader's context ends", true, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, hold := newPort(), newGate()
				fill(t, p.Log, 10)
				p.read = func(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error) {
					if after == 0 {
						hold.pass()
					}
					return p.Log.Read(ctx, carillon.AllEvents(), after, limit)
				}
				log := eventlog.New(p)
				first, cancel := context.WithCancel(t.Context())
				defer cancel()
				got := make(chan int, 2)
				follow := func(ctx context.Context) {
					for batch, err := range log.Follow(ctx, 0) {
						if err == nil {
							got <- len(batch.Entries)
						}
						break
					}
				}
				go follow(first)
				hold.reached()
				impatient, leave := context.WithCancel(t.Context())
				left := make(chan struct{})
				go func() {
					follow(impatient)
					close(left)
				}()
				go follow(t.Context())
				synctest.Wait()
				leave()
				<-left // without waiting for the read
				want := 2
				if test.cancel {
					cancel()
					want = 1
				}
				reads := p.reads.Load()
				hold.release()
				if test.cancel {
					hold.reached() // the second follower reads for itself
					hold.release()
					reads = p.reads.Load()
				}
				for range want {
					if entries := <-got; entries != 10 {
						t.Errorf("%d events, want 10", entries)
					}
				}
				if reads != test.reads {
					t.Errorf("%d reads of the first page, want %d", reads, test.reads)
				}
			})
		})
	}
}
