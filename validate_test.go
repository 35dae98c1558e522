package carillon_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/carillon-go/carillon"
)

func TestNames(t *testing.T) {
	t.Parallel()
	long, tooLong := strings.Repeat("a", carillon.MaxName), strings.Repeat("a", carillon.MaxName+1)
	checks := map[string]func(string) error{
		"type":   carillon.CheckType,
		"stream": carillon.CheckStream,
		"id":     carillon.CheckID,
		"tag":    func(text string) error { return carillon.CheckTag(carillon.Tag(text)) },
	}
	tests := []struct {
		name     string
		text     string
		accepted string // the checks that accept it
	}{
		{"a word", "order", "type stream id"},
		{"a dotted name", "order.placed-v2_x:y/z", "type stream id tag"},
		{"nothing", "", ""},
		{"the longest", long, "type stream id"},
		{"one byte too long", tooLong, ""},
		{"a digit first", "1order", "stream id"},
		{"a dot first", ".order", "stream id"},
		{"a space inside", "order placed", "stream id"},
		{"a space in front", " order", ""},
		{"a space behind", "order ", ""},
		{"a space behind other letters", "straße ", ""},
		{"other letters", "größe", "stream id"},
		{"a line break", "order\nplaced", ""},
		{"a NUL byte", "order\x00", ""},
		{"a delete character", "order\x7f", ""},
		{"a line separator", "order\u2028placed", ""},
		{"broken UTF-8", "order\xff", ""},
		{"key and value", "course:c1", "type stream id tag"},
		{"a value with a colon", "course:c1:x", "type stream id tag"},
		{"no value", "course:", "type stream id"},
		{"no key", ":c1", "stream id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for name, check := range checks {
				err := check(test.text)
				accept := strings.Contains(" "+test.accepted+" ", " "+name+" ")
				if accept && err != nil {
					t.Errorf("%s %q: %v", name, test.text, err)
				}
				if !accept && !errors.Is(err, carillon.ErrInvalid) {
					t.Errorf("%s %q: error %v, want one that is ErrInvalid", name, test.text, err)
				}
			}
		})
	}
}

// TestInvalidNamesAreCutShort sees that a message does not repeat an offender of any length.
func TestInvalidNamesAreCutShort(t *testing.T) {
	t.Parallel()
	err := carillon.CheckStream(strings.Repeat("x", 100_000))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("the message has %d bytes", len(err.Error()))
	}
}

func event(change func(*carillon.Message)) carillon.Message {
	message := carillon.Message{ID: "1", Type: "order.placed", Payload: []byte(`{}`)}
	if change != nil {
		change(&message)
	}
	return message
}

func TestAppendCheck(t *testing.T) {
	t.Parallel()
	const maxPayload = 100
	tags := func(n int) []carillon.Tag {
		all := make([]carillon.Tag, n)
		for i := range all {
			all[i] = carillon.NewTag("n", strings.Repeat("x", i+1))
		}
		return all
	}
	type change = func(*carillon.Append)
	with := func(edit func(*carillon.Message)) change {
		return func(a *carillon.Append) { a.Events[0] = event(edit) }
	}
	tests := []struct {
		name   string
		change change
		want   error
	}{
		{"events on a stream", nil, nil},
		{"no events", func(a *carillon.Append) { a.Events = nil }, carillon.ErrInvalid},
		{"as many events as may be", func(a *carillon.Append) { a.Events = many(carillon.MaxEvents) }, nil},
		{"one event too many", func(a *carillon.Append) { a.Events = many(carillon.MaxEvents + 1) }, carillon.ErrTooLarge},
		{"no expectation", func(a *carillon.Append) { a.Expect = carillon.Expect{} }, carillon.ErrInvalid},
		{"an expectation without a stream", func(a *carillon.Append) { a.Stream = "" }, carillon.ErrInvalid},
		{"neither", func(a *carillon.Append) { a.Stream, a.Expect = "", carillon.Expect{} }, nil},
		{"a negative version", func(a *carillon.Append) { a.Expect = carillon.Exactly(-1) }, carillon.ErrInvalid},
		{"any version", func(a *carillon.Append) { a.Expect = carillon.AnyVersion() }, nil},
		{"a bad stream", func(a *carillon.Append) { a.Stream = "a\n" }, carillon.ErrInvalid},
		{"a condition on everything", func(a *carillon.Append) { a.Condition = &carillon.Condition{} }, nil},
		{"a condition after a negative position", func(a *carillon.Append) {
			a.Condition = &carillon.Condition{After: -1}
		}, carillon.ErrInvalid},
		{"a condition with an empty item", func(a *carillon.Append) {
			a.Condition = &carillon.Condition{Query: carillon.Query{Items: []carillon.Item{{}}}}
		}, carillon.ErrInvalid},
		{"a command without an id", func(a *carillon.Append) { a.Command = &carillon.CommandGuard{} }, carillon.ErrInvalid},
		{"a command", func(a *carillon.Append) { a.Command = &carillon.CommandGuard{ID: "c"} }, nil},
		{"a command as a message", with(func(m *carillon.Message) { m.Kind = carillon.KindCommand }), carillon.ErrInvalid},
		{"no id", with(func(m *carillon.Message) { m.ID = "" }), carillon.ErrInvalid},
		{"no type", with(func(m *carillon.Message) { m.Type = "" }), carillon.ErrInvalid},
		{"a negative schema version", with(func(m *carillon.Message) { m.SchemaVersion = -1 }), carillon.ErrInvalid},
		{"a payload at the limit", with(func(m *carillon.Message) { m.Payload = make([]byte, maxPayload) }), nil},
		{"a payload over the limit", with(func(m *carillon.Message) { m.Payload = make([]byte, maxPayload+1) }), carillon.ErrTooLarge},
		{"as many tags as may be", with(func(m *carillon.Message) { m.Tags = tags(carillon.MaxTags) }), nil},
		{"one tag too many", with(func(m *carillon.Message) { m.Tags = tags(carillon.MaxTags + 1) }), carillon.ErrTooLarge},
		{"a tag twice", with(func(m *carillon.Message) { m.Tags = []carillon.Tag{"a:1", "b:1", "a:1"} }), carillon.ErrInvalid},
		{"a bad tag", with(func(m *carillon.Message) { m.Tags = []carillon.Tag{"a"} }), carillon.ErrInvalid},
		{"a bad key", with(func(m *carillon.Message) { m.Key = "a\t" }), carillon.ErrInvalid},
		{"a bad tenant", with(func(m *carillon.Message) { m.Tenant = " a" }), carillon.ErrInvalid},
		{"a header's name with a line break", with(func(m *carillon.Message) {
			m.Headers = map[string]string{"a\r\n": ""}
		}), carillon.ErrInvalid},
		{"a header that is not text", with(func(m *carillon.Message) {
			m.Headers = map[string]string{"a": "\xff"}
		}), carillon.ErrInvalid},
		{"headers at the limit", with(func(m *carillon.Message) {
			m.Headers = map[string]string{"a": strings.Repeat("x", carillon.MaxHeaders-1)}
		}), nil},
		{"headers over the limit", with(func(m *carillon.Message) {
			m.Headers = map[string]string{"a": strings.Repeat("x", carillon.MaxHeaders)}
		}), carillon.ErrTooLarge},
		{"a trace state over the limit", with(func(m *carillon.Message) {
			m.TraceState = strings.Repeat("x", carillon.MaxHeaders+1)
		}), carillon.ErrTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := carillon.Append{Stream: "order-1", Expect: carillon.NoStream(), Events: []carillon.Message{event(nil)}}
			if test.change != nil {
				test.change(&a)
			}
			if err := a.Check(maxPayload); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func many(n int) []carillon.Message {
	events := make([]carillon.Message, n)
	for i := range events {
		events[i] = event(nil)
	}
	return events
}

// FuzzCheckAppend holds what every log relies on: what the check lets pass is text within its bounds.
func FuzzCheckAppend(f *testing.F) {
	f.Add("order-1", "order.placed", "id", "course:c1", "key", "header", "value")
	f.Add("größe", "a", "1", ":", "", "\x00", "\xff")
	f.Fuzz(func(t *testing.T, stream, typ, id, tag, key, header, value string) {
		a := carillon.Append{Stream: stream, Expect: carillon.AnyVersion(), Events: []carillon.Message{event(func(m *carillon.Message) {
			m.ID, m.Type, m.Key, m.Tags, m.Headers = id, typ, key, []carillon.Tag{carillon.Tag(tag)}, map[string]string{header: value}
		})}}
		if a.Check(carillon.MaxPayload) != nil {
			return
		}
		for _, text := range []string{stream, typ, id, tag, header} {
			if text == "" || len(text) > carillon.MaxName || !utf8.ValidString(text) || strings.TrimSpace(text) != text {
				t.Errorf("%q passed", text)
			}
			if strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q passed with a control character", text)
			}
		}
		if carillon.Tag(tag).Key() == "" || carillon.Tag(tag).Value() == "" {
			t.Errorf("tag %q passed", tag)
		}
	})
}

// TestEveryCharacterEverywhere sees that names are judged by each of their characters, wherever it stands.
func TestEveryCharacterEverywhere(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 26; length++ {
		for at := range length {
			for c := range 256 {
				bytes := []byte(strings.Repeat("a", length))
				bytes[at] = byte(c)
				text := string(bytes)
				outside := at == 0 || at == length-1
				if want := c > ' ' && c <= '~' || c == ' ' && !outside; (carillon.CheckID(text) == nil) != want {
					t.Fatalf("%q as an id: %v", text, carillon.CheckID(text))
				}
				letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
				if want := letter || at > 0 && strings.ContainsRune("0123456789._-:/", rune(c)); (carillon.CheckType(text) == nil) != want {
					t.Fatalf("%q as a type: %v", text, carillon.CheckType(text))
				}
			}
		}
	}
}
