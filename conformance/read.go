package conformance

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
)

// walk reads the log after a position to its end, page by page, and checks what every page says of itself. It returns the
// events and how far the last page reached.
func walk(
	ctx context.Context, log carillon.Log, query carillon.Query, after carillon.Position, limit int,
) ([]carillon.Recorded, carillon.Position, error) {
	var events []carillon.Recorded
	for {
		page, err := readPage(ctx, log, query, after, limit)
		if err != nil {
			return nil, 0, err
		}
		events = append(events, page.Events...)
		after = page.Through
		if !page.More {
			return events, after, nil
		}
	}
}

// readPage reads one page and checks what holds for it whatever others append meanwhile.
func readPage(ctx context.Context, log carillon.Log, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	page, err := log.Read(ctx, query, after, limit)
	if err == nil {
		err = checkPage(&page, query, after, limit)
	}
	if err != nil {
		return carillon.Page{}, fmt.Errorf("read %s after %d, limit %d: %w", describeQuery(query), after, limit, err)
	}
	return page, nil
}

func checkPage(page *carillon.Page, query carillon.Query, after carillon.Position, limit int) error {
	if len(page.Events) > limit {
		return fmt.Errorf("%d events in a page", len(page.Events))
	}
	last := after
	for i := range page.Events {
		event := &page.Events[i]
		switch {
		case event.Position <= last:
			return fmt.Errorf("position %d follows %d", event.Position, last)
		case len(query.Items) == 0 && event.Position != last+1:
			return fmt.Errorf("position %d follows %d: a hole", event.Position, last)
		case !query.Matches(event.Type, event.Tags):
			return fmt.Errorf("a %q tagged %v at position %d does not match", event.Type, event.Tags, event.Position)
		}
		last = event.Position
	}
	switch {
	case page.Through < last:
		return fmt.Errorf("the page reaches through %d, before position %d", page.Through, last)
	case len(query.Items) == 0 && page.Through != last:
		return fmt.Errorf("the page reaches through %d, but its events end at %d", page.Through, last)
	case page.More && page.Through == after:
		return fmt.Errorf("there is more, but the page reaches no further than where it began")
	}
	return nil
}

// walkStream reads a stream after a version to its end and checks that its versions are dense.
func walkStream(ctx context.Context, log carillon.Log, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	var events []carillon.Recorded
	for {
		more, err := readStream(ctx, log, stream, after, limit)
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			return events, nil
		}
		events = append(events, more...)
		after = more[len(more)-1].Version
	}
}

func readStream(ctx context.Context, log carillon.Log, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	events, err := log.ReadStream(ctx, stream, after, limit)
	if err == nil {
		err = checkStreamPage(events, stream, after, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read stream %q after version %d, limit %d: %w", stream, after, limit, err)
	}
	return events, nil
}

func checkStreamPage(events []carillon.Recorded, stream string, after int64, limit int) error {
	if len(events) > limit {
		return fmt.Errorf("%d events", len(events))
	}
	var position carillon.Position
	for i := range events {
		event := &events[i]
		switch {
		case event.Stream != stream:
			return fmt.Errorf("an event of stream %q", event.Stream)
		case event.Version != after+1+int64(i):
			return fmt.Errorf("version %d follows %d: versions have no gaps", event.Version, after+int64(i))
		case event.Position <= position:
			return fmt.Errorf("version %d stands at position %d, the one before it at %d", event.Version, event.Position, position)
		}
		position = event.Position
	}
	return nil
}
