package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// checkLimits appends what is just allowed.
func checkLimits(ctx context.Context, s *subject) error {
	l := newLedger()
	add := func(what string, a carillon.Append) error {
		err := s.add(ctx, l, a)
		if err == nil {
			err = l.verify(ctx, s.log)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}

	largest := s.event("blob.stored")
	largest.Payload = s.noise(s.maxPayload)
	if err := add("a payload at its limit", loose(largest)); err != nil {
		return err
	}

	headed := s.event("page.fetched")
	headed.TraceState = strings.Repeat("s", 512)
	headed.Headers = map[string]string{
		strings.Repeat("h", carillon.MaxName): strings.Repeat("v", carillon.MaxHeaders-512-carillon.MaxName-4), "last": "",
	}
	if err := add("headers at their limit", to("pages", carillon.NoStream(), headed)); err != nil {
		return err
	}

	tags := make([]carillon.Tag, carillon.MaxTags)
	items := make([]carillon.Item, 0, carillon.MaxTags+1)
	for i := range tags {
		tags[i] = carillon.NewTag(fmt.Sprintf("k%d", i), strings.Repeat("v", carillon.MaxName-4))
		items = append(items, carillon.Item{Types: []string{"page.fetched", "page.lost"}, Tags: []carillon.Tag{tags[i]}})
	}
	if err := add("tags at their limit", unless(loose(s.event("crowd.seen", tags...)), carillon.ByTags(tags...), 0)); err != nil {
		return err
	}
	if err := add("all of these tags but one", loose(s.event("crowd.missed", tags[1:]...), s.event("crowd.missed", tags[:len(tags)-1]...))); err != nil {
		return err
	}
	items = append(items, carillon.Item{Types: []string{"crowd.seen"}, Tags: tags[carillon.MaxTags-1:]})
	for i, query := range []carillon.Query{carillon.ByTags(tags...), {Items: items}} {
		what := []string{"a query of as many tags", "a query of as many items"}[i]
		if err := s.matchesOne(ctx, query); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := add(what+" as a condition", unless(loose(s.event("noted")), query, 0)); err != nil {
			return err
		}
		if err := add(what+" as a condition that holds", unless(loose(s.event("noted")), query, l.head())); err != nil {
			return err
		}
	}
	return add("events at their limit", to("crowd", carillon.NoStream(), s.events(carillon.MaxEvents, "head.counted", "crowd:1")...))
}

// checkPageWeight reads events that are too heavy for one page to hold all a limit allows: whatever the log makes of it, it
// goes on, and nothing is left out.
func checkPageWeight(ctx context.Context, s *subject) error {
	const heavy = 8
	l := newLedger()
	for i := range heavy {
		event := s.event("blob.stored", "weight:heavy")
		event.Payload = s.noise(s.maxPayload)
		a := to("blobs", carillon.Exactly(int64(2*i)), event, s.event("blob.filed"))
		if err := s.add(ctx, l, a); err != nil {
			return err
		}
	}
	for _, query := range []carillon.Query{carillon.AllEvents(), carillon.ByTags("weight:heavy"), carillon.ByTypes("blob.filed")} {
		if err := s.samePages(ctx, query, 0, 10_000, l.matching(query, 0), l.head()); err != nil {
			return fmt.Errorf("read %s: %w", describeQuery(query), err)
		}
	}
	return l.verify(ctx, s.log)
}

// noise makes bytes that compress badly.
func (s *subject) noise(size int) []byte {
	noise := make([]byte, 0, size+8)
	for len(noise) < size {
		noise = binary.BigEndian.AppendUint64(noise, s.random.Uint64())
	}
	return noise[:size]
}
