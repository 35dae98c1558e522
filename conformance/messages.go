package conformance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

func messageChecks() []check {
	return []check{
		{"round trip", checkRoundTrip},
		{"names", checkNames},
		{"limits", checkLimits},
		{"page weight", checkPageWeight},
	}
}

// checkRoundTrip appends messages with every field at its edges and reads them back.
func checkRoundTrip(ctx context.Context, s *subject) error {
	l := newLedger()
	for _, example := range roundTripMessages(s) {
		loosely, inStream := example.message, example.message
		inStream.ID = s.event("thing.noted").ID
		err := s.add(ctx, l, loose(loosely), to("messages", carillon.AnyVersion(), inStream))
		if err == nil {
			err = l.verify(ctx, s.log)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", example.name, err)
		}
	}
	return nil
}

// example is a message with what is remarkable about it.
type example struct {
	name    string
	message carillon.Message
}

func roundTripMessages(s *subject) []example {
	full := carillon.Message{
		ID:            "0190163d-8694-739b-aea5-966c26f8ad91",
		Type:          "Order:placed/v2.final_one-off",
		SchemaVersion: 7,
		Key:           "customer 17",
		Tags:          []carillon.Tag{"order:17", "customer:ä:b:c", "a:1"},
		Time:          time.Date(2026, time.February, 28, 23, 59, 59, 999_999_000, time.UTC),
		CorrelationID: "conversation-1",
		CausationID:   "command-1",
		TraceParent:   "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		TraceState:    "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
		Tenant:        "Zürich & Söhne",
		ContentType:   "application/octet-stream",
		Headers:       map[string]string{"source": "shop", "Source": "Shop", "empty": "", "naïve": "日本語 😀", "controls": "a\x00b\r\n\tc\"\\"},
		Payload:       []byte("\x00\x01\xff\xfe not \xc3\x28 text\x00"),
	}
	examples := []example{{"every field", full}, {"only what is required", carillon.Message{ID: "bare", Type: "a", Time: full.Time}}}
	with := func(name string, change func(m *carillon.Message)) {
		m := s.event("thing.noted")
		change(&m)
		examples = append(examples, example{name, m})
	}
	with("empty payload", func(m *carillon.Message) { m.Payload = []byte{} })
	with("no payload", func(m *carillon.Message) { m.Payload = nil })
	with("a payload of one zero byte", func(m *carillon.Message) { m.Payload = []byte{0} })
	with("a payload of every byte", func(m *carillon.Message) {
		m.Payload = make([]byte, 1024)
		for i := range m.Payload {
			m.Payload[i] = byte(i)
		}
	})
	with("JSON as it was written", func(m *carillon.Message) { m.Payload = []byte("{ \"b\" : 1.0, \"a\":1e2 ,\"a\":\"\\u00e4\"}\n") })
	with("empty headers", func(m *carillon.Message) { m.Headers = map[string]string{} })
	with("a large schema version", func(m *carillon.Message) { m.SchemaVersion = 1<<31 - 1 })
	with("long texts", func(m *carillon.Message) {
		long := strings.Repeat("é", carillon.MaxName/2)
		m.ID, m.Key, m.CorrelationID, m.CausationID, m.TraceParent, m.Tenant = "id"+long[:250], long, long, long, long, long
		m.ContentType, m.TraceState = long, strings.Repeat("v", 512)
	})
	for _, id := range []string{
		"0190163D-8694-739B-AEA5-966C26F8AD91", "0190163d8694739baea5966c26f8ad91", "{0190163d-8694-739b-aea5-966c26f8ad91}",
		"urn:uuid:0190163d-8694-739b-aea5-966c26f8ad91", "00000000-0000-0000-0000-000000000000", "sixteen bytes id", "1", "01", "1.0",
	} {
		with("id "+id, func(m *carillon.Message) { m.ID = id })
	}
	for i, at := range []time.Time{
		{},
		time.Unix(0, 0).UTC(),
		time.UnixMicro(1).UTC(),
		time.UnixMicro(-1).UTC(),
		time.Date(1582, time.October, 4, 1, 2, 3, 4_000, time.UTC),
		time.Date(2016, time.December, 31, 23, 59, 59, 123_456_000, time.UTC),
		time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		with(fmt.Sprintf("time %d: %s", i, at.Format(time.RFC3339Nano)), func(m *carillon.Message) { m.Time = at })
	}
	return examples
}

// checkNames uses names that a careless store takes for one another.
func checkNames(ctx context.Context, s *subject) error {
	l := newLedger()
	for _, name := range trickyNames() {
		a := once(to(name, carillon.NoStream(), s.event("name.used", carillon.NewTag("k", name))), name, 1)
		a = unless(a, carillon.ByTags(carillon.NewTag("k", name)), 0)
		if err := s.add(ctx, l, a); err != nil {
			return fmt.Errorf("stream, tag and command id %q: %w", name, err)
		}
	}
	for _, name := range trickyTypes() {
		a := unless(loose(s.event(name)), carillon.ByTypes(name), 0)
		if err := s.add(ctx, l, a); err != nil {
			return fmt.Errorf("type %q: %w", name, err)
		}
	}
	for _, name := range trickyNames() {
		if err := s.matchesOne(ctx, carillon.ByTags(carillon.NewTag("k", name))); err != nil {
			return err
		}
	}
	for _, name := range trickyTypes() {
		if err := s.matchesOne(ctx, carillon.ByTypes(name)); err != nil {
			return err
		}
	}
	return l.verify(ctx, s.log)
}

func (s *subject) matchesOne(ctx context.Context, query carillon.Query) error {
	events, _, err := walk(ctx, s.log, query, 0, 100)
	if err != nil {
		return err
	}
	if len(events) != 1 {
		return fmt.Errorf("read %s: %d events, want 1", describeQuery(query), len(events))
	}
	return nil
}

func trickyNames() []string {
	long := strings.Repeat("n", carillon.MaxName-3)
	return []string{
		"a", "A", "aa", "a a", "a  a", "a%", "a_", "a*", "a?", "a'b", `a"b`, `a\b`, `a\\b`, "a;b", "a,b", "a:b", "a::b", "a/b", "a.b", "a|b",
		"a{b}", "[a]", "$1", "?1", "--", "/*", "0", "00", "1", "1.0", "1e0", "-1", "null", "NULL", "true", "ä", "Ä", "a\u0308", "ß", "ss", "ﬀ",
		"ff", "İ", "i", "日本", "😀", "👩", long, long + "n",
	}
}

func trickyTypes() []string {
	long := strings.Repeat("t", carillon.MaxName-1)
	return []string{"a", "A", "aa", "a.b", "a-b", "a_b", "axb", "a:b", "a/b", "a.b.c", "a1", "a01", long, long + "t"}
}
