package codec_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
)

type order struct {
	ID    string
	Lines []line
	Notes map[string]any
	At    time.Time
}

type line struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
}

func TestJSON(t *testing.T) {
	t.Parallel()
	json := codec.JSON()
	if got := json.ContentType(); got != carillon.ContentTypeJSON {
		t.Errorf("content type %q", got)
	}
	want := order{ID: "1", Lines: []line{{"a", 2}}, Notes: map[string]any{"gift": true}}
	data, err := json.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	var got order
	if err := json.Decode(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	if err := json.Decode([]byte(`{"ID":"2","Colour":"red"}`), &got); err != nil || got.ID != "2" {
		t.Errorf("a field that newer programs added: %v, %+v", err, got)
	}
	if _, err := json.Encode(math.NaN()); err == nil {
		t.Error("NaN was encoded")
	}
}
