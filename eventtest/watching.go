package eventtest

import (
	"fmt"
	"reflect"

	"github.com/carillon-go/carillon"
)

// watching is a codec that remembers what it decoded, and finds out whether anybody has changed it since. A log decodes an event
// once for all projections, so not even the room behind a slice belongs to one of them.
type watching struct {
	carillon.Codec
	decoded reflect.Value
	before  string
}

// Decode decodes, and leaves room behind every slice.
func (w *watching) Decode(data []byte, target any) error {
	if err := w.Codec.Decode(data, target); err != nil {
		return err
	}
	w.decoded = reflect.ValueOf(target).Elem()
	leaveRoom(w.decoded)
	w.before = text(w.decoded.Interface())
	return nil
}

// change says what has become of the decoded value, nothing when it is as it was.
func (w *watching) change() string {
	if !w.decoded.IsValid() {
		return ""
	}
	if after := text(w.decoded.Interface()); after != w.before {
		return lines(w.before, after)
	}
	if room := roomTaken(w.decoded); room != "" {
		return fmt.Sprintf("  it appended to %s: append to a copy, see slices.Clone", room)
	}
	return ""
}

// leaveRoom gives every slice in a value room for one more element, as slices that were decoded may have.
func leaveRoom(v reflect.Value) {
	walk(v, "the event", func(slice reflect.Value, _ string) {
		if slice.CanSet() && !slice.IsNil() {
			roomy := reflect.MakeSlice(slice.Type(), slice.Len(), slice.Len()+1)
			reflect.Copy(roomy, slice)
			slice.Set(roomy)
		}
	})
}

// roomTaken names a slice whose room behind the last element was written to.
func roomTaken(v reflect.Value) (taken string) {
	walk(v, "the event", func(slice reflect.Value, path string) {
		if slice.Cap() > slice.Len() && !slice.Slice(0, slice.Len()+1).Index(slice.Len()).IsZero() {
			taken = path
		}
	})
	return taken
}

// walk visits the slices in a decoded value. What is decoded is a tree, so there is no end to look for.
func walk(v reflect.Value, path string, visit func(slice reflect.Value, path string)) {
	switch v.Kind() {
	case reflect.Slice:
		visit(v, path)
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), path, visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				walk(v.Field(i), path+"."+field.Name, visit)
			}
		}
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			walk(each.Value(), fmt.Sprintf("%s[%v]", path, each.Key()), visit)
		}
	default: // no slice in it
	}
}
