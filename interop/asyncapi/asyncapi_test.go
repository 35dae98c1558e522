package asyncapi_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/carillon-go/carillon/asyncapi"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/messaging"
)

// official is the schema of the specification.
func official(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "asyncapi-3.0.0.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(content)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("http://asyncapi.com/definitions/3.0.0/asyncapi.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("http://asyncapi.com/definitions/3.0.0/asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func parse(t *testing.T, document []byte) map[string]any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

// shop is the document of the shop's services.
func shop(t *testing.T, more ...asyncapi.Part) []byte {
	t.Helper()
	topics := services.NewTopics()
	parts := append(more, asyncapi.Service("orders", services.Beside(topics)...))
	for _, name := range services.Names()[1:] {
		of, err := services.Of(name, topics)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, asyncapi.Service(name, of...))
	}
	document, err := asyncapi.Document("Shop", parts...)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// The types of a service with what Go types may hold.
type (
	everything struct {
		Text     string            `json:"text" minLength:"1"`
		At       time.Time         `json:"at"`
		Data     []byte            `json:"data"`
		Numbers  []int64           `json:"numbers"`
		ByName   map[string]nested `json:"by_name"`
		Self     *everything       `json:"self,omitempty"`
		Whatever json.RawMessage   `json:"whatever"`
	}
	nested struct {
		Share *float64 `json:"share"`
	}
	ask struct {
		Of string `json:"of"`
	}
)

func (e everything) Key() string { return e.Text }

func everyTopic() *messaging.Topic {
	return messaging.NewTopic("every.thing", messaging.Event[everything]("urn:every/thing"), messaging.Command[ask]("ask"),
		messaging.Document[nested]("nested.v1"))
}

func TestDocumentsAreValid(t *testing.T) {
	t.Parallel()
	schema := official(t)
	golden, err := os.ReadFile(filepath.Join("..", "..", "internal", "cli", "testdata", "asyncapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	documents := map[string][]byte{"of carillon describe": golden, "without a broker": shop(t)}
	for _, broker := range []string{"nats://user:secret@localhost:4222", "kafka://a:9092,b:9092", "amqp://localhost", "amqps://localhost/shop", "redis://localhost:6379"} {
		documents[broker] = shop(t, asyncapi.Broker(broker))
	}
	every, err := asyncapi.Document("Every", asyncapi.Release("1.2"), asyncapi.Broker("nats://localhost:4222"), asyncapi.Service("every", everyTopic()))
	if err != nil {
		t.Fatal(err)
	}
	documents["of every type"] = every
	if documents["nothing"], err = asyncapi.Document("Nothing"); err != nil {
		t.Fatal(err)
	}
	for name, document := range documents {
		if err := schema.Validate(parse(t, document)); err != nil {
			t.Errorf("%s: %v\n%s", name, err, document)
		}
		if bytes.Contains(document, []byte("secret")) {
			t.Errorf("%s holds a password", name)
		}
		checkReferences(t, name, parse(t, document))
	}
}

// checkReferences follows every reference.
func checkReferences(t *testing.T, name string, document map[string]any) {
	t.Helper()
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			if ref, ok := value["$ref"].(string); ok {
				var at any = document
				for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					object, _ := at.(map[string]any)
					at = object[step]
				}
				if at == nil {
					t.Errorf("%s: %s leads nowhere", name, ref)
				}
			}
			for _, member := range value {
				walk(member)
			}
		case []any:
			for _, item := range value {
				walk(item)
			}
		}
	}
	walk(document)
}

// TestTheSchemaIsStrict is the control: what is wrong in a document is found.
func TestTheSchemaIsStrict(t *testing.T) {
	t.Parallel()
	schema := official(t)
	for name, spoil := range map[string]func(document map[string]any){
		"no title":         func(d map[string]any) { delete(d["info"].(map[string]any), "title") },
		"another version":  func(d map[string]any) { d["asyncapi"] = "2.6.0" },
		"another action":   func(d map[string]any) { operation(d)["action"] = "publish" },
		"no channel":       func(d map[string]any) { delete(operation(d), "channel") },
		"another field":    func(d map[string]any) { operation(d)["who"] = "payments" },
		"a wrong payload":  func(d map[string]any) { placed(d)["payload"] = "text" },
		"a server no host": func(d map[string]any) { d["servers"] = map[string]any{"broker": map[string]any{"protocol": "nats"}} },
	} {
		document := parse(t, shop(t))
		spoil(document)
		if schema.Validate(document) == nil {
			t.Errorf("%s: it is valid all the same", name)
		}
	}
}

func operation(d map[string]any) map[string]any {
	return d["operations"].(map[string]any)["payments.receive.orders"].(map[string]any)
}

func placed(d map[string]any) map[string]any {
	return d["channels"].(map[string]any)["orders"].(map[string]any)["messages"].(map[string]any)["order.placed"].(map[string]any)
}

// TestMessagesKeepTheirSchemas validates what the codec writes by the schema of its type in the document.
func TestMessagesKeepTheirSchemas(t *testing.T) {
	t.Parallel()
	document, err := asyncapi.Document("Every", asyncapi.Service("every", everyTopic()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("document.json", parse(t, document)); err != nil {
		t.Fatal(err)
	}
	share := 0.5
	full := everything{
		Text: "ä", At: time.Now(), Data: []byte{1, 2}, Numbers: []int64{1}, ByName: map[string]nested{"a": {&share}, "b": {}},
		Self:     &everything{Text: "b", Numbers: []int64{}, Data: []byte{}, ByName: map[string]nested{}, Whatever: json.RawMessage(`1`)},
		Whatever: json.RawMessage(`{"x":[]}`),
	}
	for _, test := range []struct {
		schema string
		value  any
		valid  bool
	}{
		{"Everything", full, true},
		{"Nested", nested{}, true},
		{"Ask", ask{"b"}, true},
		{"Ask", map[string]any{"of": "b", "added": []int{1}}, true}, // by a newer sender
		{"Ask", nested{}, false},
		{"Everything", ask{"b"}, false},
		{"Everything", map[string]any{"text": 1}, false},
	} {
		compiled, err := compiler.Compile("document.json#/components/schemas/" + test.schema)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := codec.JSON().Encode(test.value)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(value); (err == nil) != test.valid {
			t.Errorf("%s by the schema %s: %v", payload, test.schema, err)
		}
	}
}
