package carillon

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of names and appends.
const (
	// MaxName is the longest type, stream, tag, id or header name, in bytes.
	MaxName = 255
	// MaxTags is the most tags one event carries.
	MaxTags = 64
	// MaxEvents is the most events one append carries.
	MaxEvents = 10_000
	// MaxHeaders is the most that an event's headers take together, in bytes.
	MaxHeaders = 16 << 10
)

// CheckType checks the name of a message type: a letter, then letters, digits, and any of ". _ - : /".
func CheckType(name string) error {
	if name == "" || len(name) > MaxName {
		return Invalidf(quoted("type", name), "a type name has 1 to %d bytes", MaxName)
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		other := '0' <= c && c <= '9' || strings.IndexByte("._-:/", c) >= 0
		if !letter && (i == 0 || !other) {
			return Invalidf(quoted("type", name), "a type name is a letter, then letters, digits and . _ - : /")
		}
	}
	return nil
}

// CheckStream checks the name of a stream: printable text without leading or trailing space.
func CheckStream(name string) error { return checkText("stream", name) }

// CheckTag checks that a tag is printable text of the form key:value.
func CheckTag(tag Tag) error {
	if err := checkText("tag", string(tag)); err != nil {
		return err
	}
	if tag.Key() == "" || tag.Value() == "" {
		return Invalidf(quoted("tag", string(tag)), "a tag is key:value")
	}
	return nil
}

// CheckID checks the id of a message or a command: printable text without leading or trailing space.
func CheckID(id string) error { return checkText("id", id) }

// Check checks an append against the rules every log relies on: names, tags, guards, and payloads of at most maxPayload bytes.
func (a *Append) Check(maxPayload int) error {
	switch {
	case len(a.Events) == 0:
		return Invalidf("append", "an append has at least one event")
	case len(a.Events) > MaxEvents:
		return fmt.Errorf("append of %d events, the limit is %d: split it: %w", len(a.Events), MaxEvents, ErrTooLarge)
	case a.Stream == "" && a.Expect.IsSet():
		return Invalidf("append", "an expected version needs a stream")
	case a.Stream != "" && !a.Expect.IsSet():
		return Invalidf(quoted("stream", a.Stream), "an append says what it expects: NoStream, Exactly(n) or AnyVersion")
	}
	if a.Stream != "" {
		if err := CheckStream(a.Stream); err != nil {
			return err
		}
		if version, _ := a.Expect.Version(); version < 0 {
			return Invalidf(quoted("stream", a.Stream), "an expected version is 0 or more, not %d", version)
		}
	}
	if a.Condition != nil {
		if err := a.Condition.check(); err != nil {
			return err
		}
	}
	if a.Command != nil {
		if err := CheckID(a.Command.ID); err != nil {
			return err
		}
	}
	for i := range a.Events {
		if err := a.Events[i].checkEvent(maxPayload); err != nil {
			return err
		}
	}
	return nil
}

func (c *Condition) check() error {
	if c.After < 0 {
		return Invalidf("condition", "after is a position read from the log, not %d", c.After)
	}
	return c.Query.Check()
}

// Check checks the names in a query, and that no item is empty.
func (q Query) Check() error {
	for _, item := range q.Items {
		if len(item.Types) == 0 && len(item.Tags) == 0 {
			return Invalidf("query", "an item names types or tags; a query without items matches everything")
		}
		for _, typ := range item.Types {
			if err := CheckType(typ); err != nil {
				return err
			}
		}
		for _, tag := range item.Tags {
			if err := CheckTag(tag); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Message) checkEvent(maxPayload int) error {
	if m.Kind != KindEvent {
		return Invalidf(quoted("message", m.Type), "a log holds events, not a %s", m.Kind)
	}
	return m.CheckPublished(maxPayload)
}

// CheckPublished checks a message against the rules every broker relies on: its names, and a payload of at most maxPayload bytes.
func (m *Message) CheckPublished(maxPayload int) error {
	if err := CheckType(m.Type); err != nil {
		return err
	}
	if err := CheckID(m.ID); err != nil {
		return err
	}
	if m.Kind > KindReply {
		return Invalidf(quoted("message", m.Type), "it is no %s", m.Kind)
	}
	if m.SchemaVersion < 0 {
		return Invalidf(quoted(m.Kind.String(), m.Type), "a schema version is 1 or more, not %d", m.SchemaVersion)
	}
	if len(m.Payload) > maxPayload {
		return fmt.Errorf("%s %q has a payload of %d bytes, the limit is %d: keep large data elsewhere and refer to it: %w",
			m.Kind, m.Type, len(m.Payload), maxPayload, ErrTooLarge)
	}
	if len(m.Tags) > MaxTags {
		return fmt.Errorf("%s %q has %d tags, the limit is %d: %w", m.Kind, m.Type, len(m.Tags), MaxTags, ErrTooLarge)
	}
	for i, tag := range m.Tags {
		if err := CheckTag(tag); err != nil {
			return err
		}
		for _, other := range m.Tags[:i] {
			if tag == other {
				return Invalidf(quoted("tag", string(tag)), "a message carries a tag once")
			}
		}
	}
	return m.checkMetadata()
}

func (m *Message) checkMetadata() error {
	for _, text := range []string{m.Key, m.CorrelationID, m.CausationID, m.TraceParent, m.Tenant, m.ContentType} {
		if text == "" || text == m.ID { // which is checked
			continue
		}
		if err := checkText("metadata", text); err != nil {
			return err
		}
	}
	size := len(m.TraceState)
	for name, value := range m.Headers {
		if err := checkText("header", name); err != nil {
			return err
		}
		if !utf8.ValidString(value) {
			return Invalidf(quoted("header", name), "a header's value is UTF-8 text")
		}
		size += len(name) + len(value)
	}
	if size > MaxHeaders {
		return fmt.Errorf("%s %q has %d bytes of headers, the limit is %d: %w", m.Kind, m.Type, size, MaxHeaders, ErrTooLarge)
	}
	return nil
}

func checkText(what, text string) error {
	if text == "" || len(text) > MaxName {
		return Invalidf(quoted(what, text), "it has 1 to %d bytes", MaxName)
	}
	if text[0] != ' ' && text[len(text)-1] != ' ' && isPlain(text) {
		return nil
	}
	if text[0] == ' ' || text[len(text)-1] == ' ' || !utf8.ValidString(text) {
		return Invalidf(quoted(what, text), "it is UTF-8 text without leading or trailing space")
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return Invalidf(quoted(what, text), "it holds no control characters")
		}
	}
	return nil
}

// isPlain reports whether a text has printable ASCII characters alone.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// quoted names an offender without repeating all of a long one.
func quoted(what, name string) string {
	if len(name) > 64 {
		name = name[:64] + "…"
	}
	return fmt.Sprintf("%s %q", what, name)
}
