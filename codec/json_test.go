package codec_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/codec"
)

type base struct {
	Number int64 `json:"number"`
}

type secret struct{ _ int }

type decoded struct {
	base
	Name    string            `json:"name"`
	Camel   string            `json:"camelCase,omitempty"`
	Pointer *int              `json:"pointer"`
	Bytes   []byte            `json:"bytes"`
	List    []base            `json:"list"`
	Map     map[string]any    `json:"map"`
	Keyed   map[int]string    `json:"keyed"`
	Quoted  int               `json:"quoted,string"`
	Time    time.Time         `json:"time"`
	Raw     json.RawMessage   `json:"raw"`
	Any     any               `json:"any"`
	Array   [2]int            `json:"array"`
	Later   time.Duration     `json:"later"`
	Texts   map[string]string `json:"texts"`
	Hidden  string            `json:"-"`
	Plain   bool
	None    secret
}

// TestDecodesAsTheStandardLibrary compares every answer, and whether there is one, with encoding/json.
func TestDecodesAsTheStandardLibrary(t *testing.T) {
	t.Parallel()
	documents := map[string]string{
		"nothing exported":     `{"None":{"hidden":1}}`,
		"empty object":         `{}`,
		"all of it":            `{"number":7,"name":"n","camelCase":"c","pointer":1,"bytes":"AQI=","list":[{"number":1}],"map":{"a":[1,"b",null]},"keyed":{"3":"x"},"quoted":"4","time":"2011-12-09T12:50:00.123456Z","raw":{ "a" : 1 },"any":{"b":1.5},"array":[1,2],"later":5,"texts":{"a":"b"},"Plain":true}`,
		"another case":         `{"NAME":"n","CamelCase":"c","plain":true}`,
		"repeated names":       `{"name":"a","name":"b","map":{"x":1},"map":{"y":2}}`,
		"unknown names":        `{"name":"a","more":{"name":"b"},"-":"x","Hidden":"x"}`,
		"nulls":                `{"number":null,"name":null,"pointer":null,"list":null,"map":null,"time":null,"any":null}`,
		"null":                 `null`,
		"not UTF-8":            "{\"name\":\"a\xffb\"}",
		"escapes":              `{"name":"\u00e9\ud83d\ude00\ud800\/\n"}`,
		"short array":          `{"array":[1]}`,
		"long array":           `{"array":[1,2,3]}`,
		"data behind":          `{} {}`,
		"cut short":            `{"name":"a"`,
		"empty":                ``,
		"a comma too much":     `{"name":"a",}`,
		"text for a number":    `{"number":"7"}`,
		"fraction for integer": `{"number":1.5}`,
		"overflow":             `{"number":9223372036854775808}`,
		"exponent":             `{"number":1e2}`,
		"number for text":      `{"name":1}`,
		"unquoted":             `{"quoted":4}`,
		"bad time":             `{"time":"yesterday"}`,
		"bad base64":           `{"bytes":"***"}`,
		"array for object":     `[]`,
		"deep":                 `{"any":[[[[[[[[[[[[]]]]]]]]]]]]}`,
		"large number":         `{"any":12345678901234567890}`,
		"white space":          " \n\t{ \"name\" : \"a\" }\r\n",
		"byte order mark":      "\ufeff{}",
	}
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want, got decoded
			wantErr := json.Unmarshal([]byte(document), &want)
			err := codec.JSON().Decode([]byte(document), &got)
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("decoding ended with %v, encoding/json with %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(decoded{}, secret{})); diff != "" {
				t.Errorf("decoded differently (-encoding/json +codec):\n%s", diff)
			}
		})
	}
}
