package watermill

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

func event(change func(m *carillon.Message)) carillon.Message {
	m := carillon.Message{
		ID: "0190163d-8694-739b-aea5-966c26f8ad91", Type: "order.placed", SchemaVersion: 1, ContentType: carillon.ContentTypeJSON,
		Payload: []byte(`{"ID":"o-1"}`),
	}
	change(&m)
	return m
}

// What Carillon publishes comes out of watermill as it was, whatever is in it.
func TestMessagesThroughWatermill(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]carillon.Message{
		"the least": event(func(*carillon.Message) {}),
		"everything": event(func(m *carillon.Message) {
			m.Kind, m.SchemaVersion, m.Key, m.Tags = carillon.KindCommand, 3, "o-1", []carillon.Tag{"order:1", "customer:ä"}
			m.Time = time.Date(2026, time.November, 21, 9, 30, 0, 123_456_000, time.UTC)
			m.CorrelationID, m.CausationID, m.Tenant = "c", "b", "Zürich & Söhne"
			m.TraceParent, m.TraceState = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "rojo=00f067aa0ba902b7"
			m.Headers = map[string]string{"source": "/orders", "Name": "v", "controls": "a\x00b\r\n\x7f", "percent": "100%41", "empty": "", "id": "mine"}
		}),
		"the default source":     event(func(m *carillon.Message) { m.Headers = map[string]string{"source": "carillon"} }),
		"names of metadata":      event(func(m *carillon.Message) { m.Headers = map[string]string{"ce_id": "x", "content-type": "y"} }),
		"a long id":              event(func(m *carillon.Message) { m.ID = strings.Repeat("i", 200) }),
		"a plain one":            event(plainly),
		"a plain one with a key": event(func(m *carillon.Message) { plainly(m); m.Key = "k" }),
		"a plain one with a long id": event(func(m *carillon.Message) {
			plainly(m)
			m.ID, m.Key = strings.Repeat("i", 200), "k"
		}),
		"almost a plain one":                event(func(m *carillon.Message) { plainly(m); m.Tenant = "t" }),
		"a plain one that says it is none":  event(func(m *carillon.Message) { plainly(m); m.Headers["ce_specversion"] = "1.0" }),
		"a plain one with another's key":    event(func(m *carillon.Message) { plainly(m); m.Headers[MetadataKey] = "x" }),
		"a plain one that was made earlier": event(func(m *carillon.Message) { plainly(m); m.Time = time.Unix(1, 0).UTC() }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := encodeShort(&m)
			if len(out.UUID) > 36 {
				t.Errorf("the UUID has %d bytes", len(out.UUID))
			}
			for name, value := range out.Metadata {
				if strings.HasPrefix(name, attributePrefix) && strings.ContainsAny(value, "\x00\r\n\x7f") {
					t.Errorf("%s holds control characters: %q", name, value)
				}
			}
			got, err := decode("orders", out, Plain)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, got); diff != "" {
				t.Errorf("(-published +received):\n%s", diff)
			}
		})
	}
}

func plainly(m *carillon.Message) {
	m.Kind, m.Type, m.ContentType = carillon.KindDocument, TypePlain, binary
	m.Headers = map[string]string{"name": "main.OrderPlaced"}
}

// What watermill publishes comes out of Carillon as it was.
func TestMessagesThroughCarillon(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]message.Metadata{
		"none":         {},
		"some":         {"name": "main.OrderPlaced", "correlation_id": "7", "source": "carillon", "empty": ""},
		"a key":        {MetadataKey: "o-1", "name": "x"},
		"half a event": {"ce_id": "x", "ce_type": "y"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := message.NewMessage(strings.Repeat("u", 100), []byte("payload"))
			in.Metadata = metadata
			m, err := decode("orders", in, Plain)
			if err != nil {
				t.Fatal(err)
			}
			if out := encode(&m); !out.Equals(in) {
				t.Errorf("got %q with %v, want %q with %v", out.UUID, out.Metadata, in.UUID, in.Metadata)
			}
			if _, there := m.Headers[MetadataKey]; there || m.Key != metadata[MetadataKey] {
				t.Errorf("the key is %q", m.Key)
			}
		})
	}
}

// What middleware adds to an event's metadata becomes a header, and does not hide one.
func TestAddedMetadata(t *testing.T) {
	t.Parallel()
	m := event(func(m *carillon.Message) { m.Headers = map[string]string{"Name": "ours"} })
	out := encode(&m)
	out.Metadata.Set("Name", "theirs")
	out.Metadata.Set("retry_count", "2")
	got, err := decode("orders", out, Plain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"Name": "ours", "retry_count": "2"}, got.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestUUIDs(t *testing.T) {
	t.Parallel()
	read := func(uuid string) string {
		m, err := decode("orders", message.NewMessage(uuid, nil), Plain)
		if err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	if id := read("u-1"); id != "u-1" {
		t.Errorf("a message of UUID u-1 has the id %q", id)
	}
	if first, second := read(""), read(""); first == second || first == "" {
		t.Errorf("two messages without a UUID have the ids %q and %q", first, second)
	}
	long := event(func(m *carillon.Message) { m.ID = strings.Repeat("i", 40) })
	other := event(func(m *carillon.Message) { m.ID = strings.Repeat("i", 41) })
	if first, second := encodeShort(&long).UUID, encodeShort(&other).UUID; first == second || first != encodeShort(&long).UUID {
		t.Errorf("two long ids have the UUIDs %q and %q", first, second)
	}
}

// A message that cannot be one of Carillon is told as such, with all that can be kept of it.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	refusing := func(string, *message.Message) (carillon.Message, error) { return carillon.Message{}, errors.New("no") }
	for name, tt := range map[string]struct {
		uuid     string
		metadata message.Metadata
		mapping  Mapping
		headers  map[string]string
	}{
		"an event without a type": {"u", message.Metadata{"ce_specversion": "1.0", "ce_id": "1"}, Plain, map[string]string{"ce_specversion": "1.0", "ce_id": "1"}},
		"a wrong time":            {"u", message.Metadata{"ce_specversion": "1.0", "ce_id": "1", "ce_type": "a", "ce_time": "now"}, Plain, nil},
		"a UUID that is no id":    {"a\nb", message.Metadata{"x": "y"}, Plain, map[string]string{"x": "y"}},
		"metadata without a name": {"u", message.Metadata{"": "v", "x": "y"}, Plain, map[string]string{"x": "y"}},
		"metadata that are large": {"u", message.Metadata{"large": strings.Repeat("v", carillon.MaxHeaders), "x": "y"}, Plain, map[string]string{"x": "y"}},
		"metadata that are no text": {
			"u", message.Metadata{"binary": "\xff\xfe", "x": "y"}, Plain, map[string]string{"x": "y"},
		},
		"one that the mapping refuses": {"u", message.Metadata{"x": "y"}, refusing, map[string]string{"x": "y"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := message.NewMessage(tt.uuid, []byte("payload"))
			in.Metadata = tt.metadata
			_, err := decode("orders", in, tt.mapping)
			if err == nil {
				t.Fatal("it was read")
			}
			m := unreadable(in, err)
			if err := m.CheckPublished(carillon.MaxPayload); err != nil {
				t.Errorf("what stands for it is not valid: %v", err)
			}
			if m.Type != TypeUnreadable || m.Headers[HeaderUnreadable] != err.Error() || string(m.Payload) != "payload" {
				t.Errorf("it is told as %+v", m)
			}
			if m.ID != tt.uuid && carillon.CheckID(tt.uuid) == nil {
				t.Errorf("it has the id %q", m.ID)
			}
			delete(m.Headers, HeaderUnreadable)
			if diff := cmp.Diff(tt.headers, m.Headers); tt.headers != nil && diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptionsThatContradict(t *testing.T) {
	t.Parallel()
	publishers := func(context.Context) (message.Publisher, error) { return nil, nil }
	subscribers := func(context.Context, string, string) (message.Subscriber, error) { return nil, nil }
	for name, source := range map[string]*Source{
		"no publishers":          PubSub(nil, subscribers),
		"no subscribers":         PubSub(publishers, nil),
		"no subscriber at all":   PubSub(publishers, subscribers, Parallel(0)),
		"parallel in order":      PubSub(publishers, subscribers, InOrder(), Parallel(2)),
		"volatile in order":      PubSub(publishers, subscribers, InOrder(), Volatile()),
		"volatile and parallel":  PubSub(publishers, subscribers, Volatile(), Parallel(2)),
		"volatile that retains":  PubSub(publishers, subscribers, Volatile(), Retains()),
		"payloads of no bytes":   PubSub(publishers, subscribers, MaxPayload(0)),
		"no time":                PubSub(publishers, subscribers, Timeout(0)),
		"no name":                PubSub(publishers, subscribers, Name("")),
		"nothing that reads":     PubSub(publishers, subscribers, Reading(nil)),
		"nobody who writes logs": PubSub(publishers, subscribers, Logger(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := source.OpenBroker(t.Context()); !errors.Is(err, carillon.ErrInvalid) {
				t.Errorf("it opens with error %v, want ErrInvalid", err)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	lossy := []string{"whatever the Pub/Sub's settings allow: watermill does not tell them"}
	for name, tt := range map[string]struct {
		options []Option
		want    carillon.Capabilities
	}{
		"nothing said": {nil, carillon.Capabilities{Broker: "watermill", Unsettled: 1, MaxPayload: carillon.MaxPayload, Losses: lossy}},
		"in order": {
			[]Option{Name("SQL"), InOrder(), Retains(), Confirmed(carillon.ConfirmedFlushed), MaxPayload(1000)},
			carillon.Capabilities{
				Broker: "SQL", Confirm: carillon.ConfirmedFlushed, Order: carillon.OrderAlone, OrderedPublish: true, Retained: true, Unsettled: 1,
				MaxPayload: 1000,
			},
		},
		"parallel": {[]Option{Parallel(7)}, carillon.Capabilities{Broker: "watermill", Unsettled: 7, MaxPayload: carillon.MaxPayload, Losses: lossy}},
		"volatile": {[]Option{Volatile()}, carillon.Capabilities{Broker: "watermill", MaxPayload: carillon.MaxPayload, Losses: lossy}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, PubSub(nil, nil, tt.options...).capabilities()); diff != "" {
				t.Errorf("capabilities (-want +got):\n%s", diff)
			}
		})
	}
}
