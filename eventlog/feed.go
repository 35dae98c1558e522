package eventlog

import (
	"context"
	"slices"
	"sync"

	"github.com/carillon-go/carillon"
)

const (
	// pageLimit is how many events a follower reads at a time.
	pageLimit = 2000
	// feedPages is how many pages are kept for followers close behind one another.
	feedPages = 8
)

// feed shares pages among the followers of a log, so that read models that move together read and decode each event once.
type feed struct {
	port carillon.Log

	mu      sync.Mutex
	pages   []*page // the most recently read last
	reading map[carillon.Position]*reading
}

// page is a stretch of the log without holes: every event after one position up to another.
type page struct {
	after, through carillon.Position
	entries        []Entry
	more           bool // a limit ended the page, not the log
}

// reading is a read under way that others wait for.
type reading struct {
	done chan struct{}
	page *page
	err  error
}

// next returns the page that continues after a position; its entries are empty at the end of the log.
func (f *feed) next(ctx context.Context, after carillon.Position) (*page, error) {
	for {
		f.mu.Lock()
		if p := f.cached(after); p != nil {
			f.mu.Unlock()
			return p, nil
		}
		under, ok := f.reading[after]
		if !ok {
			under = &reading{done: make(chan struct{})}
			if f.reading == nil {
				f.reading = make(map[carillon.Position]*reading)
			}
			f.reading[after] = under
		}
		f.mu.Unlock()
		if !ok {
			f.read(ctx, after, under)
			return under.page, under.err
		}
		select {
		case <-under.done:
			if under.err == nil {
				return under.page, nil
			}
			// The reader's context may have ended; ours has not.
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// cached returns the rest of a kept page after a position; the caller holds the lock.
func (f *feed) cached(after carillon.Position) *page {
	for _, p := range slices.Backward(f.pages) {
		if p.after <= after && after < p.through {
			return &page{after: after, through: p.through, entries: p.entries[after-p.after:], more: p.more}
		}
	}
	return nil
}

func (f *feed) read(ctx context.Context, after carillon.Position, under *reading) {
	found, err := f.port.Read(ctx, carillon.AllEvents(), after, pageLimit)
	under.err = err
	if err == nil {
		under.page = &page{after: after, through: found.Through, entries: make([]Entry, len(found.Events)), more: found.More}
		for i := range found.Events {
			under.page.entries[i].Recorded = &found.Events[i]
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.reading, after)
	if err == nil && len(found.Events) > 0 {
		if len(f.pages) == feedPages {
			f.pages = slices.Delete(f.pages, 0, 1)
		}
		f.pages = append(f.pages, under.page)
	}
	close(under.done)
}
