package sourcing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"reflect"
	"slices"

	"github.com/carillon-go/carillon/internal/shapes"
)

// samples is how many sample events of each type a fingerprint folds.
const samples = 3

// Fingerprint identifies the shape of the state, the shapes of the events, and what the folds make of sample events: it changes
// when a snapshot taken earlier may no longer be what a replay would give. A fold that differs only on events unlike the samples
// escapes it; that is what [FoldVersion] is for.
func (d *Decider[S]) Fingerprint() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "v%d %s\n", d.version, shapes.Of(reflect.TypeFor[S]()))
	names := make([]string, 0, len(d.folds))
	for name := range d.folds {
		names = append(names, name)
	}
	slices.Sort(names)
	state := d.initial
	for _, name := range names {
		f := d.folds[name]
		if f.event == nil {
			continue
		}
		fmt.Fprintf(sum, "%s %s\n", name, shapes.Of(f.event))
		for n := range samples {
			state = probe(sum, f, state, shapes.Sample(f.event, n))
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// probe folds a sample event and writes what came of it; a fold that panics on a sample is a result too.
func probe[S any](sum hash.Hash, f fold[S], state S, event reflect.Value) (next S) {
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(sum, "panic %v\n", cause)
			next = state
		}
	}()
	next = f.evolve(state, event.Interface())
	encoded, err := json.Marshal(next)
	fmt.Fprintf(sum, "%s %v\n", encoded, err)
	return next
}
