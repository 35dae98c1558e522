package envelope_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	plain := carillon.Message{ContentType: carillon.ContentTypeJSON, SchemaVersion: 1}
	full := carillon.Message{
		Tags: []carillon.Tag{"student:1", "course:ü"}, CorrelationID: "c", CausationID: "d", Key: "k", Tenant: "t",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b", ContentType: "text/plain",
		Headers: map[string]string{"b": "", "a": "x\ny"}, SchemaVersion: 300,
	}
	same := plain
	same.CorrelationID, same.CausationID = "536365", "536365"
	for name, message := range map[string]carillon.Message{"plain": plain, "full": full, "same ids": same} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got carillon.Message
			if err := envelope.Parse(string(envelope.Append(nil, &message)), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(message, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if form := envelope.Append(nil, &plain); len(form) != 0 {
		t.Errorf("a plain message has the form %q, want none", form)
	}
}

// The stored form is fixed for good: old stores hold it.
func TestGolden(t *testing.T) {
	t.Parallel()
	message := carillon.Message{
		Tags: []carillon.Tag{"a:b"}, CorrelationID: "c", CausationID: "c", ContentType: carillon.ContentTypeJSON,
		Headers: map[string]string{"n": "v"}, SchemaVersion: 2,
	}
	want := "\x01\x03a:b" + "\x02\x01c" + "\x03\x00" + "\x09\x03\x01nv" + "\x0a\x01\x02"
	if got := string(envelope.Append(nil, &message)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]string{
		"unknown field":         "\x0b\x00",
		"cut short":             "\x02\x05abc",
		"no length":             "\x02",
		"out of order":          "\x04\x01k\x02\x01c",
		"twice":                 "\x04\x01k\x04\x01l",
		"huge length":           "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"an empty content type": "\x08\x00",
		"header cut short":      "\x09\x02\x05n",
		"schema version zero":   "\x0a\x01\x00",
	} {
		if err := envelope.Parse(form, new(carillon.Message)); !errors.Is(err, carillon.ErrCorrupt) {
			t.Errorf("%s: got %v, want %v", name, err, carillon.ErrCorrupt)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add("\x08\x00")
	f.Add("\x01\x03a:b\x02\x01c\x03\x00\x09\x03\x01nv\x0a\x01\x02")
	f.Fuzz(func(t *testing.T, form string) {
		var message, again carillon.Message
		if envelope.Parse(form, &message) != nil {
			return
		}
		if err := envelope.Parse(string(envelope.Append(nil, &message)), &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(message, again); diff != "" {
			t.Error(diff)
		}
	})
}
