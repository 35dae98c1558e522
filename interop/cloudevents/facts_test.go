package cloudevents_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

// count is how many messages are exchanged each way.
const count = 100

// facts are what an event says, whoever holds it.
type facts struct {
	Attributes map[string]string
	Data       string
}

// ofMessage are the facts of a message.
func ofMessage(m *carillon.Message) facts {
	return facts{maps.Collect(cloudevents.Attributes(m)), data(m.ContentType, m.Payload)}
}

// ofEvent are the facts of an event as its getters tell them, with its texts passed through read.
func ofEvent(t *testing.T, e *event.Event, read func(string) string) facts {
	t.Helper()
	if err := e.Validate(); err != nil {
		t.Fatalf("%v in %s", err, e)
	}
	attributes := map[string]string{
		"specversion": e.SpecVersion(), "id": read(e.ID()), "source": read(e.Source()), "type": read(e.Type()),
		"datacontenttype": e.DataContentType(), "subject": read(e.Subject()),
	}
	if !e.Time().IsZero() {
		attributes["time"] = types.FormatTime(e.Time())
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			t.Fatal(err)
		}
		attributes[name] = read(text)
	}
	maps.DeleteFunc(attributes, func(_, value string) bool { return value == "" })
	return facts{attributes, data(e.DataContentType(), e.Data())}
}

// data is a payload, as JSON in one way of writing.
func data(contentType string, payload []byte) string {
	if contentType != carillon.ContentTypeJSON {
		return string(payload)
	}
	var value any
	if json.Unmarshal(payload, &value) != nil {
		return string(payload)
	}
	written, err := json.Marshal(value)
	if err != nil {
		return string(payload)
	}
	return string(written)
}

func same(t *testing.T, want, got []facts) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d came, want %d", len(got), len(want))
	}
	for i := range want {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Fatalf("event %d: %s", i, diff)
		}
	}
}

func factsOfMessages(messages []carillon.Message) []facts {
	all := make([]facts, len(messages))
	for i := range messages {
		all[i] = ofMessage(&messages[i])
	}
	return all
}

func factsOfEvents(t *testing.T, events []event.Event, read func(string) string) []facts {
	t.Helper()
	all := make([]facts, len(events))
	for i := range events {
		all[i] = ofEvent(t, &events[i], read)
	}
	return all
}

// The texts of attributes. plain has nothing that a header would have to escape; the SDK neither escapes nor unescapes.
const (
	plain = "abcXYZ019-._~:/?#@!$&'()*+,;="
	any8  = plain + `äß€😀é% "\`
)

func text(random *rand.Rand, alphabet string, atLeast int) string {
	runes := []rune(alphabet)
	var b strings.Builder
	for range atLeast + random.IntN(12) {
		b.WriteRune(runes[random.IntN(len(runes))])
	}
	return strings.TrimSpace(b.String())
}

// drawMessages draws messages with any text in their attributes, times of microseconds and payloads of JSON and bytes.
func drawMessages() []carillon.Message {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]carillon.Message, count)
	for i := range all {
		m := carillon.Message{
			ID: fmt.Sprint(i, text(random, any8, 1), "i"), Kind: carillon.Kind(random.IntN(5)), Type: "t" + text(random, plain, 1), SchemaVersion: 1 + random.IntN(3),
			Key: text(random, any8, 0), Tenant: text(random, any8, 0), CorrelationID: text(random, plain, 0),
			Time:        time.UnixMicro(random.Int64N(1 << 51)).UTC(),
			ContentType: carillon.ContentTypeJSON, Payload: []byte(`{"text":"ä<b>","number":1.5}`),
			Headers: map[string]string{"source": "/" + text(random, "abc-", 0), "note": text(random, any8, 1), "not-an-attribute": text(random, any8, 0)},
		}
		if random.IntN(2) == 0 {
			m.Tags = []carillon.Tag{"course:a", carillon.Tag("student:" + text(random, any8, 1))}
		}
		if random.IntN(2) == 0 {
			m.ContentType, m.Payload = "application/octet-stream", bytes.Repeat([]byte{0, 0xff, byte(random.IntN(256))}, 1+random.IntN(9))
		}
		all[i] = m
	}
	return all
}

// drawEvents draws events of the SDK with texts of an alphabet.
func drawEvents(t *testing.T, alphabet string) []event.Event {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	all := make([]event.Event, count)
	for i := range all {
		e := event.New()
		e.SetID(fmt.Sprint(i, text(random, alphabet, 1), "i"))
		e.SetType("t" + text(random, alphabet, 1))
		e.SetSource("/" + text(random, "abc-", 0))
		e.SetTime(time.UnixMicro(random.Int64N(1 << 51)).UTC())
		if random.IntN(2) == 0 {
			e.SetSubject("s" + text(random, alphabet, 1) + "s")
		}
		e.SetExtension("partitionkey", "k"+text(random, alphabet, 1)+"k")
		e.SetExtension("number", random.IntN(1000))
		e.SetExtension("flag", random.IntN(2) == 0)
		var err error
		if random.IntN(2) == 0 {
			err = e.SetData(carillon.ContentTypeJSON, map[string]any{"text": "ä<b>", "number": i})
		} else {
			err = e.SetData("text/plain", []byte("plain "+text(random, any8, 1)))
		}
		if err != nil {
			t.Fatal(err)
		}
		all[i] = e
	}
	return all
}

// asIs reads what the SDK tells where nothing is escaped.
func asIs(text string) string { return text }
