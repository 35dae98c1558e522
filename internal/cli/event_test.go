package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

func TestEventObjectsCarryEverything(t *testing.T) {
	t.Parallel()
	event := carillon.Recorded{
		Position: 7, Stream: "order-1", Version: 2,
		Message: carillon.Message{
			ID: "e-7", Type: "order.placed", SchemaVersion: 3, Key: "1", Tags: []carillon.Tag{"country:France"},
			Time:          time.Date(2026, 2, 3, 4, 5, 6, 789000, time.UTC),
			CorrelationID: "c-1", CausationID: "c-2", TraceParent: "00-1-2-01", TraceState: "a=b", Tenant: "north",
			Headers: map[string]string{"origin": "<web>"}, ContentType: "application/json", Payload: []byte(`{"net": 12345678901234567890.10}`),
		},
	}
	var out strings.Builder
	printing := eventPrinter{out: &printer{to: &out}, json: true}
	if err := printing.print([]carillon.Recorded{event}); err != nil {
		t.Fatal(err)
	}
	want := `{"position":7,"stream":"order-1","version":2,"type":"order.placed","schema_version":3,"id":"e-7","key":"1",` +
		`"time":"2026-02-03T04:05:06.000789Z","tags":["country:France"],"correlation_id":"c-1","causation_id":"c-2",` +
		`"trace_parent":"00-1-2-01","trace_state":"a=b","tenant":"north","headers":{"origin":"<web>"},` +
		`"content_type":"application/json","payload":{"net":12345678901234567890.10}}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPayloadsAreJSONOrBase64(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, contentType, payload, want string }{
		{"JSON", "", `{"a":[1]}`, `"payload":{"a":[1]}`},
		{"JSON null", "application/json", `null`, `"payload":null`},
		{"JSON built on", "application/cloudevents+json; charset=utf-8", `1`, `"payload":1`},
		{"broken JSON", "application/json", `{`, `"payload_base64":"ew=="`},
		{"JSON that is no text", "application/json", "\"\xff\"", `"payload_base64":"Iv8i"`},
		{"text", "text/plain", `1`, `"payload_base64":"MQ=="`},
		{"nothing", "text/plain", ``, `"payload_base64":""`},
	} {
		event := carillon.Recorded{Message: carillon.Message{ContentType: test.contentType, Payload: []byte(test.payload)}}
		line, err := json.Marshal(newEventObject(&event))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(line), ","+test.want+"}") || strings.Count(string(line), `"payload`) != 1 {
			t.Errorf("%s: got %s, want %s", test.name, line, test.want)
		}
	}
}

func TestLinesForPeopleHoldNoControlCharacters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	hostile := "\x1b]0;owned\a\x1b[2J\r\n\u202e\u009b\xff"
	if r := runWith(t, hostile, "log", "append", "--store", path, "--type", "noted", "--content-type", "text/plain", "-"); r.status != StatusOK {
		t.Fatal(r.stderr)
	}
	line := mustRun(t, "log", "read", "--store", path)
	if want := `noted  \u001b]0;owned\u0007\u001b[2J\r\n\u202e\u009b\xff` + "\n"; !strings.HasSuffix(line, want) {
		t.Errorf("got %q, want it to end in %q", line, want)
	}
	var object struct {
		Payload []byte `json:"payload_base64"`
	}
	if err := json.Unmarshal([]byte(mustRun(t, "log", "read", "--store", path, "--json")), &object); err != nil {
		t.Fatal(err)
	}
	if string(object.Payload) != hostile {
		t.Errorf("payload_base64 is %q, want %q", object.Payload, hostile)
	}
}

func TestLongPayloadsAreShortenedForPeople(t *testing.T) {
	t.Parallel()
	for _, length := range []int{maxShown, maxShown + 1, maxShown + 2, maxShown + 3, 5000} {
		payload := strings.Repeat("£", length/2) + strings.Repeat("x", length%2)
		shown := shownPayload([]byte(payload))
		if length <= maxShown {
			if shown != payload {
				t.Errorf("%d bytes: shortened to %d", length, len(shown))
			}
			continue
		}
		if strings.ContainsRune(shown, '\ufffd') || len(shown) > maxShown+20 || !strings.Contains(shown, " bytes)") {
			t.Errorf("%d bytes: got %q", length, shown)
		}
	}
}

func TestReadingGoesThroughPages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	store, err := sqlite.File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const events = 2*pageSize + 50
	appendEvents(t, store.Log(), 0, events)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		args  []string
		lines int
	}{
		{"log", []string{"log", "read"}, events},
		{"log after", []string{"log", "read", "--after", "100"}, events - 100},
		{"log limit", []string{"log", "read", "--limit", "1001"}, 1001},
		{"log filter", []string{"log", "read", "--tag", "half:1", "--type", "noted"}, events / 2},
		{"log filter and limit", []string{"log", "read", "--tag", "half:0", "--limit", "1010"}, 1010},
		{"stream", []string{"stream", "show", "notes-1"}, events},
		{"stream limit", []string{"stream", "show", "notes-1", "--after", "1", "--limit", "2001"}, 2001},
	} {
		lines := strings.Count(mustRun(t, append(test.args, "--store", path)...), "\n")
		if lines != test.lines {
			t.Errorf("%s: %d lines, want %d", test.name, lines, test.lines)
		}
	}
}
