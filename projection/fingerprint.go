package projection

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/shapes"
)

// samples is how many sample events of each type a fingerprint folds.
const samples = 3

// FoldVersion tells versions of a model's folds apart where their difference does not show: see [Model.Fingerprint]. Default: 0.
func FoldVersion[S any](version int) Part[S] { return func(m *Model[S]) { m.version = version } }

// Fingerprint identifies what a model makes of events: the shapes of its state and of its events, and what its folds make of sample
// events. When a program starts with another fingerprint than the one that made the rows in the store, the read model is rebuilt by
// itself, in a shadow, while the old rows are served as they stand. A fold that differs only on events unlike the samples escapes it;
// that is what [FoldVersion] is for. A fold that is not pure is left out of it.
func (m *Model[S]) Fingerprint() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "v%d %s\n", m.version, shapes.Of(reflect.TypeFor[S]()))
	for _, name := range slices.Sorted(maps.Keys(m.folds)) {
		f := m.folds[name]
		if f.event == nil {
			fmt.Fprintf(sum, "%s removes\n", name)
			continue
		}
		fmt.Fprintf(sum, "%s %s\n", name, shapes.Of(f.event))
		if probed := probe(f, name); probed == probe(f, name) {
			fmt.Fprintf(sum, "%s\n", probed)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// probe folds sample events and says what came of it. A panic on a sample is a result too.
func probe[S any](f fold[S], name string) (made string) {
	defer func() {
		if cause := recover(); cause != nil {
			made += fmt.Sprint("panic ", cause)
		}
	}()
	rows := make(map[string]S)
	for n := range samples {
		payload, err := json.Marshal(shapes.Sample(f.event, n).Interface())
		if err != nil {
			return err.Error()
		}
		event := carillon.Recorded{Message: carillon.Message{Type: name, Key: "sample", Payload: payload}, Position: carillon.Position(n + 1)}
		changed := folded[S]{before: rows, touched: make(map[string]*S)}
		if err := f.apply(context.Background(), sampleCodec{}, &eventlog.Entry{Recorded: &event}, changed); err != nil {
			made += err.Error() + "\n"
		}
		for key, state := range changed.touched {
			if state != nil {
				rows[key] = *state
			}
		}
		encoded, err := json.Marshal(rows)
		made += fmt.Sprintf("%s %v\n", encoded, err)
	}
	return made
}

// sampleCodec decodes sample events, whatever codec the service has.
type sampleCodec struct{}

func (sampleCodec) ContentType() string                  { return carillon.ContentTypeJSON }
func (sampleCodec) Encode(value any) ([]byte, error)     { return json.Marshal(value) }
func (sampleCodec) Decode(data []byte, target any) error { return json.Unmarshal(data, target) }
