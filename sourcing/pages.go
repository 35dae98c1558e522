package sourcing

import (
	"context"

	"github.com/carillon-go/carillon"
)

// Most boundaries are short: what is read first is little. Long ones are read in larger pages, each while the one before is folded.
const (
	firstPage = 16
	laterPage = 256
)

// page is a part of a boundary's history.
type page struct {
	events []carillon.Recorded
	at     int64 // where the next one begins after
	more   bool  // there may be a next one
	err    error
}

// pages reads the page after a position or version, of a number of events at most.
type pages func(ctx context.Context, after int64, limit int) page

// replay folds a history into a state, beginning with a page of it.
func (b *Bound[S]) replay(ctx context.Context, at cached[S], current page, read pages) (cached[S], error) {
	for ahead := false; ; ahead = true {
		if current.err != nil {
			return at, current.err
		}
		next, stop := current.following(ctx, read, ahead)
		if err := b.foldAll(&at, current.events); err != nil {
			stop()
			return at, err
		}
		at.at = current.at
		if !current.more {
			return at, nil
		}
		current = next()
	}
}

// following returns the function that returns the next page, and the one to call in its place. When it is to be read ahead, reading
// begins at once.
func (p page) following(ctx context.Context, read pages, ahead bool) (next func() page, stop func()) {
	if !ahead || !p.more {
		return func() page { return read(ctx, p.at, laterPage) }, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan page, 1)
	go func() { done <- read(ctx, p.at, laterPage) }()
	next = func() page {
		defer cancel()
		return <-done
	}
	return next, func() { cancel(); <-done }
}

// streamPages reads a stream.
func (b *Bound[S]) streamPages(stream string) pages {
	return func(ctx context.Context, after int64, limit int) page {
		events, err := b.log.ReadStream(ctx, stream, after, limit)
		return streamPage(events, after, limit, err)
	}
}

// streamPage is a page of a stream. It is the last one unless a limit or the size of its events ended it, see [carillon.Log].
func streamPage(events []carillon.Recorded, after int64, limit int, err error) page {
	if len(events) == 0 {
		return page{at: after, err: err}
	}
	return page{events: events, at: events[len(events)-1].Version, more: len(events) >= limit || large(events), err: err}
}

// queryPages reads what a query selects.
func (b *Bound[S]) queryPages(query carillon.Query) pages {
	return func(ctx context.Context, after int64, limit int) page {
		found, err := b.log.Read(ctx, query, carillon.Position(after), limit)
		return page{events: found.Events, at: int64(found.Through), more: found.More, err: err}
	}
}

// large reports whether the size of events may have ended a page, see [carillon.Log].
func large(events []carillon.Recorded) bool {
	size := 0
	for i := range events {
		size += len(events[i].Payload)
	}
	return size > carillon.PageSize
}
