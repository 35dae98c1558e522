package cloudevents_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

func full() carillon.Message {
	return carillon.Message{
		ID: "0190-1", Kind: carillon.KindCommand, Type: "order.place", SchemaVersion: 3, Key: "order-1", Tags: []carillon.Tag{"course:a,b", "student:1"},
		Time: time.Date(2026, 11, 21, 9, 30, 0, 123456000, time.UTC), CorrelationID: "c", CausationID: "d",
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", TraceState: "vendor=1", Tenant: "Größe",
		ContentType: "application/json", Headers: map[string]string{"source": "/orders", "subject": "o", "expected-version": "3", "id": "mine", "empty": ""},
		Payload: []byte(`{"a":1}`),
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	m := full()
	want := map[string]string{
		"specversion": "1.0", "id": "0190-1", "source": "/orders", "type": "order.place", "time": "2026-11-21T09:30:00.123456Z",
		"datacontenttype": "application/json", "kind": "command", "partitionkey": "order-1", "schemaversion": "3",
		"tags": `["course:a,b","student:1"]`, "correlationid": "c", "causationid": "d",
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "vendor=1", "tenant": "Größe",
		"subject": "o", "headers": `{"empty":"","expected-version":"3","id":"mine"}`,
	}
	if diff := cmp.Diff(want, maps.Collect(cloudevents.Attributes(&m))); diff != "" {
		t.Error(diff)
	}
	plain := carillon.Message{ID: "1", Type: "a"}
	want = map[string]string{"specversion": "1.0", "id": "1", "source": "carillon", "type": "a", "datacontenttype": "application/json"}
	if diff := cmp.Diff(want, maps.Collect(cloudevents.Attributes(&plain))); diff != "" {
		t.Errorf("a message with nothing but its name: %s", diff)
	}
	plain.Headers = map[string]string{"source": "carillon"}
	if again, err := cloudevents.Message(cloudevents.Attributes(&plain), nil); err != nil || again.Headers["source"] != "carillon" {
		t.Errorf("a message that names the default source as its own comes back with %v, error %v", again.Headers, err)
	}
}

// TestRoundTrip writes messages in both forms and reads them back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9 %"äß/=;:-]{1,12}`)
		m := carillon.Message{
			ID: text.Draw(r, "id"), Kind: carillon.Kind(rapid.IntRange(0, 4).Draw(r, "kind")), Type: text.Draw(r, "type"),
			SchemaVersion: rapid.IntRange(1, 9).Draw(r, "version"), Key: text.Draw(r, "key"), Tenant: text.Draw(r, "tenant"),
			Time: time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(r, "time")).UTC(), CorrelationID: text.Draw(r, "correlation"),
			ContentType: rapid.SampledFrom([]string{"application/json", "application/x-protobuf"}).Draw(r, "content type"),
			Headers:     rapid.MapOfN(rapid.StringMatching(`[a-z-]{1,12}`), rapid.StringMatching(`[a-z0-9 "%]{0,8}`), 0, 4).Draw(r, "headers"),
			Payload:     []byte(`{"n":1}`),
		}
		if len(m.Headers) == 0 {
			m.Headers = nil
		}
		attributes := func(yield func(string, string) bool) {
			for name, value := range cloudevents.Attributes(&m) {
				if !yield(name, cloudevents.Unescape(cloudevents.Escape(value))) {
					return
				}
			}
		}
		got, err := cloudevents.Message(attributes, m.Payload)
		if diff := cmp.Diff(m, got); diff != "" || err != nil {
			r.Fatalf("attributes: %v %s", err, diff)
		}
		data, err := cloudevents.Marshal(&m)
		if err != nil {
			r.Fatal(err)
		}
		got, err = cloudevents.Unmarshal(data)
		if diff := cmp.Diff(m, got); diff != "" || err != nil {
			r.Fatalf("structured: %v %s in %s", err, diff, data)
		}
	})
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data string
		want       carillon.Message
		fails      bool
	}{
		{
			name: "the least", data: `{"specversion":"1.0","id":"1","source":"/x","type":"a"}`,
			want: carillon.Message{ID: "1", Type: "a", SchemaVersion: 1, ContentType: "application/json", Headers: map[string]string{"source": "/x"}},
		},
		{
			name: "numbers and booleans", data: `{"specversion":"1.0","id":"1","source":"carillon","type":"a","n":5,"b":true,"z":null}`,
			want: carillon.Message{ID: "1", Type: "a", SchemaVersion: 1, ContentType: "application/json", Headers: map[string]string{"n": "5", "b": "true"}},
		},
		{
			name: "text", data: `{"specversion":"1.0","id":"1","source":"carillon","type":"a","datacontenttype":"text/plain","data":"hello"}`,
			want: carillon.Message{ID: "1", Type: "a", SchemaVersion: 1, ContentType: "text/plain", Payload: []byte("hello")},
		},
		{
			name: "base64", data: `{"specversion":"1.0","id":"1","source":"carillon","type":"a","data_base64":"aGk="}`,
			want: carillon.Message{ID: "1", Type: "a", SchemaVersion: 1, ContentType: "application/json", Payload: []byte("hi")},
		},
		{name: "both", data: `{"specversion":"1.0","id":"1","source":"s","type":"a","data":1,"data_base64":"aGk="}`, fails: true},
		{name: "an object for an attribute", data: `{"specversion":"1.0","id":{},"source":"s","type":"a"}`, fails: true},
		{name: "another version", data: `{"specversion":"0.3","id":"1","source":"s","type":"a"}`, fails: true},
		{name: "no id", data: `{"specversion":"1.0","source":"s","type":"a"}`, fails: true},
		{name: "no type", data: `{"specversion":"1.0","id":"1","source":"s"}`, fails: true},
		{name: "a wrong time", data: `{"specversion":"1.0","id":"1","source":"s","type":"a","time":"now"}`, fails: true},
		{name: "no object", data: `[]`, fails: true},
		{name: "cut short", data: `{"specversion":`, fails: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := cloudevents.Unmarshal([]byte(test.data))
			if test.fails != errors.Is(err, carillon.ErrInvalid) || !test.fails && err != nil {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
