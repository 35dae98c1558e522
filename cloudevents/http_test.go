package cloudevents_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

const limit = 1 << 20

// drawMessage draws a message with any text in its attributes.
func drawMessage(r *rapid.T) carillon.Message {
	text := rapid.StringMatching(`[a-zA-Z0-9%"äß€😀/=;:\\-]([a-zA-Z0-9 %"äß€😀/=;:\\-]{0,10}[a-z0-9"%])?`)
	m := carillon.Message{
		ID: text.Draw(r, "id"), Kind: carillon.Kind(rapid.IntRange(0, 4).Draw(r, "kind")), Type: text.Draw(r, "type"),
		SchemaVersion: rapid.IntRange(1, 9).Draw(r, "version"), Key: text.Draw(r, "key"), Tenant: text.Draw(r, "tenant"),
		Time:    time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(r, "time")).UTC(),
		Headers: rapid.MapOfN(rapid.StringMatching(`[a-z-]{1,12}`), rapid.StringMatching(`[a-z0-9 "%é]{0,8}`), 0, 4).Draw(r, "headers"),
	}
	if len(m.Headers) == 0 {
		m.Headers = nil
	}
	m.ContentType, m.Payload = "application/json", []byte(`{"n":1,"t":"<é>"}`)
	if rapid.Bool().Draw(r, "bytes") {
		m.ContentType, m.Payload = "application/octet-stream", rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(r, "payload")
	}
	return m
}

// sameMessages compares messages; payloads that are JSON may be written in other characters.
func sameMessages(want, got []carillon.Message) string {
	return cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Payload" }, cmp.Comparer(func(a, b []byte) bool {
		return bytes.Equal(a, b) || bytes.Equal(bytes.ReplaceAll(bytes.ReplaceAll(a, []byte(`\u003c`), []byte("<")), []byte(`\u003e`), []byte(">")), b) ||
			bytes.Equal(bytes.ReplaceAll(bytes.ReplaceAll(b, []byte(`\u003c`), []byte("<")), []byte(`\u003e`), []byte(">")), a)
	})))
}

// TestHTTPRoundTrip sends messages through a server and back, in every mode.
func TestHTTPRoundTrip(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		messages, err := cloudevents.ReadRequest(r, limit)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		mode := cloudevents.Batched
		switch {
		case r.Header.Get("Ce-Id") != "":
			mode = cloudevents.Binary
		case len(messages) == 1:
			mode = cloudevents.Structured
		}
		if err := cloudevents.WriteResponse(w, http.StatusOK, mode, messages...); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	rapid.Check(t, func(r *rapid.T) {
		mode := rapid.SampledFrom([]cloudevents.Mode{cloudevents.Binary, cloudevents.Structured, cloudevents.Batched}).Draw(r, "mode")
		sent := []carillon.Message{drawMessage(r)}
		if mode == cloudevents.Batched {
			sent = rapid.SliceOfN(rapid.Custom(drawMessage), 0, 4).Draw(r, "batch")
		}
		request, err := cloudevents.NewRequest(context.Background(), http.MethodPost, server.URL, mode, sent...)
		if err != nil {
			r.Fatal(err)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			r.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			why, _ := io.ReadAll(response.Body)
			r.Fatalf("%s", why)
		}
		got, err := cloudevents.ReadResponse(response, limit)
		if diff := sameMessages(sent, got); diff != "" || err != nil {
			r.Fatalf("%s mode: %v %s", mode, err, diff)
		}
	})
}

// TestBinaryRequest looks at a request as it goes over the wire.
func TestBinaryRequest(t *testing.T) {
	t.Parallel()
	m := carillon.Message{
		ID: "1", Type: "order.placed", Key: `Euro € 😀`, ContentType: "text/plain; charset=utf-8", Payload: []byte("hello"),
		Time: time.Date(2026, 11, 21, 9, 30, 0, 123456000, time.UTC), Headers: map[string]string{"source": "/orders", "note": `100% "sure"`},
	}
	request, err := cloudevents.NewRequest(t.Context(), http.MethodPost, "http://localhost/", cloudevents.Binary, m)
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/orders"}, "Ce-Type": {"order.placed"}, "Ce-Time": {"2026-11-21T09:30:00.123456Z"},
		"Content-Type": {"text/plain; charset=utf-8"}, "Ce-Partitionkey": {"Euro%20%E2%82%AC%20%F0%9F%98%80"}, "Ce-Note": {"100%25%20%22sure%22"},
	}
	if diff := cmp.Diff(want, request.Header); diff != "" {
		t.Error(diff)
	}
	if body, err := io.ReadAll(request.Body); string(body) != "hello" || err != nil || request.ContentLength != 5 || request.GetBody == nil {
		t.Errorf("body %q of %d bytes, error %v", body, request.ContentLength, err)
	}
}

func TestReadRequest(t *testing.T) {
	t.Parallel()
	event := `{"specversion":"1.0","id":"1","source":"/x","type":"a","data":{"n":1}}`
	binary := []string{"ce-specversion: 1.0", "ce-id: 1", "ce-source: /x", "ce-type: a"}
	structured := "Content-Type: application/cloudevents+json"
	plain := carillon.Message{ID: "1", Type: "a", SchemaVersion: 1, ContentType: "application/json", Headers: map[string]string{"source": "/x"}}
	with := func(change func(*carillon.Message)) []carillon.Message {
		m := plain
		change(&m)
		return []carillon.Message{m}
	}
	note := func(text string) []carillon.Message {
		return with(func(m *carillon.Message) { m.Headers = map[string]string{"source": "/x", "note": text} })
	}
	tests := []struct {
		name    string
		headers []string
		body    string
		want    []carillon.Message
		fails   error
	}{
		{name: "binary", headers: append(binary, "Content-Type: application/json; charset=utf-8"), body: `{}`, want: with(func(m *carillon.Message) {
			m.ContentType, m.Payload = "application/json; charset=utf-8", []byte("{}")
		})},
		{name: "binary without a body", headers: binary, want: with(func(*carillon.Message) {})},
		{name: "lower-case escapes", headers: append(binary, "ce-note: %e2%82%ac"), want: note("€")},
		{name: "escaped without need", headers: append(binary, "ce-note: %41%42"), want: note("AB")},
		{name: "a quoted string", headers: append(binary, `ce-note: "a \"b\" c"`), want: note(`a "b" c`)},
		{name: "an escape in a quoted string", headers: append(binary, `ce-note: "%C3%A4 b"`), want: note(`ä b`)},
		{name: "raw UTF-8", headers: append(binary, "ce-note: Größe"), want: note("Größe")},
		{name: "a percent that is no escape", headers: append(binary, "ce-note: 100%"), want: note("100%")},
		{name: "the content type once more", headers: append(binary, "ce-datacontenttype: text/plain"), want: with(func(*carillon.Message) {})},
		{name: "structured", headers: []string{"Content-Type: Application/CloudEvents+JSON; charset=UTF-8"}, body: event, want: with(func(m *carillon.Message) {
			m.Payload = []byte(`{"n":1}`)
		})},
		{name: "batched", headers: []string{"Content-Type: application/cloudevents-batch+json"}, body: "[" + event + "]", want: with(func(m *carillon.Message) {
			m.Payload = []byte(`{"n":1}`)
		})},
		{name: "an empty batch", headers: []string{"Content-Type: application/cloudevents-batch+json"}, body: "[]", want: []carillon.Message{}},
		{name: "an overlong escape", headers: append(binary, "ce-note: %C0%A0"), fails: carillon.ErrInvalid},
		{name: "a header twice", headers: append(binary, "ce-id: 2"), fails: carillon.ErrInvalid},
		{name: "no event", headers: []string{"Content-Type: application/json"}, body: `{}`, fails: carillon.ErrInvalid},
		{name: "another version", headers: append(binary[1:], "ce-specversion: 0.3"), fails: carillon.ErrInvalid},
		{name: "no id", headers: []string{binary[0], binary[2], binary[3]}, fails: carillon.ErrInvalid},
		{name: "no source", headers: []string{binary[0], binary[1], binary[3]}, fails: carillon.ErrInvalid},
		{name: "no type", headers: binary[:3], fails: carillon.ErrInvalid},
		{name: "a wrong time", headers: append(binary, "ce-time: yesterday"), fails: carillon.ErrInvalid},
		{name: "structured, no JSON", headers: []string{structured}, body: "x", fails: carillon.ErrInvalid},
		{name: "structured, no source", headers: []string{structured}, body: `{"specversion":"1.0","id":"1","type":"a"}`, fails: carillon.ErrInvalid},
		{name: "batched, one event", headers: []string{"Content-Type: application/cloudevents-batch+json"}, body: event, fails: carillon.ErrInvalid},
		{name: "batched, one of them wrong", headers: []string{"Content-Type: application/cloudevents-batch+json"}, body: "[" + event + ",{}]", fails: carillon.ErrInvalid},
		{name: "another format", headers: []string{"Content-Type: application/cloudevents+avro"}, body: "x", fails: carillon.ErrUnsupported},
		{name: "another charset", headers: []string{structured + "; charset=latin1"}, body: event, fails: carillon.ErrUnsupported},
		{name: "compressed", headers: append(binary, "Content-Encoding: gzip"), body: "x", fails: carillon.ErrUnsupported},
		{name: "exactly the limit", headers: append(binary, "Content-Type: text/plain"), body: strings.Repeat("x", 1000), want: with(func(m *carillon.Message) {
			m.ContentType, m.Payload = "text/plain", bytes.Repeat([]byte("x"), 1000)
		})},
		{name: "one byte more", headers: append(binary, "Content-Type: text/plain"), body: strings.Repeat("x", 1001), fails: carillon.ErrTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			for _, line := range test.headers {
				name, value, _ := strings.Cut(line, ": ")
				request.Header.Add(name, value)
			}
			got, err := cloudevents.ReadRequest(request, 1000)
			if !errors.Is(err, test.fails) {
				t.Fatalf("error %v, want %v", err, test.fails)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	t.Parallel()
	m := carillon.Message{ID: "1", Type: "a", Payload: []byte("no JSON")}
	for _, mode := range []cloudevents.Mode{cloudevents.Structured, cloudevents.Batched} {
		answer := httptest.NewRecorder()
		if err := cloudevents.WriteResponse(answer, http.StatusOK, mode, m); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("%s mode: error %v", mode, err)
		}
		if answer.Body.Len() > 0 || len(answer.Header()) > 0 {
			t.Errorf("%s mode: something was answered", mode)
		}
	}
	for _, messages := range [][]carillon.Message{nil, {m, m}} {
		if _, err := cloudevents.NewRequest(t.Context(), http.MethodPost, "http://localhost/", cloudevents.Binary, messages...); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("%d messages in binary mode: error %v", len(messages), err)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add("application/cloudevents+json", "", []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"a","data":{"n":1}}`))
	f.Add("application/cloudevents-batch+json", "", []byte(`[{"specversion":"1.0","id":"1","source":"/x","type":"a","data_base64":"aGk="}]`))
	f.Add("text/plain", `"%C3%A4 \" b"`, []byte("hello"))
	f.Fuzz(func(t *testing.T, form, value string, body []byte) {
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		request.Header = http.Header{
			"Content-Type": {form}, "Ce-Specversion": {"1.0"}, "Ce-Id": {value}, "Ce-Source": {"/x"}, "Ce-Type": {"a"}, "Ce-Note": {value},
		}
		messages, err := cloudevents.ReadRequest(request, limit)
		if err != nil {
			if !errors.Is(err, carillon.ErrInvalid) && !errors.Is(err, carillon.ErrUnsupported) {
				t.Fatalf("error %v", err)
			}
			return
		}
		for _, m := range messages {
			if m.ContentType == "" || m.CheckPublished(limit) != nil {
				continue
			}
			again, err := cloudevents.NewRequest(t.Context(), http.MethodPost, "http://localhost/", cloudevents.Binary, m)
			if err != nil {
				t.Fatal(err)
			}
			read, err := cloudevents.ReadRequest(again, limit)
			if err != nil || len(read) != 1 || read[0].ID != m.ID || read[0].Type != m.Type || !bytes.Equal(read[0].Payload, m.Payload) {
				t.Fatalf("%+v was read again as %+v, error %v", m, read, err)
			}
		}
	})
}
