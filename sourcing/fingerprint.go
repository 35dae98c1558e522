package sourcing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"reflect"
	"slices"
)

// samples is how many sample events of each type a fingerprint folds.
const samples = 3

// Fingerprint identifies the shape of the state, the shapes of the events, and what the folds make of sample events: it changes
// when a snapshot taken earlier may no longer be what a replay would give. A fold that differs only on events unlike the samples
// escapes it; that is what [FoldVersion] is for.
func (d *Decider[S]) Fingerprint() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "v%d %s\n", d.version, shape(reflect.TypeFor[S](), nil))
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
		fmt.Fprintf(sum, "%s %s\n", name, shape(f.event, nil))
		for n := range samples {
			state = probe(sum, f, state, sample(f.event, n, 0))
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

// maxShape bounds the depth of sample values and shapes, for types that refer to themselves.
const maxShape = 6

// sample makes a value of a type with something in every exported field; n varies it.
func sample(typ reflect.Type, n, depth int) reflect.Value {
	value := reflect.New(typ).Elem()
	if depth > maxShape {
		return value
	}
	switch typ.Kind() {
	case reflect.Bool:
		value.SetBool(n%2 == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		value.SetInt(int64(n*7 + depth + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		value.SetUint(uint64(n*5 + depth + 1))
	case reflect.Float32, reflect.Float64:
		value.SetFloat(float64(n) + 0.5)
	case reflect.String:
		value.SetString(fmt.Sprintf("sample-%d", n))
	case reflect.Slice:
		value = reflect.Append(value, sample(typ.Elem(), n, depth+1))
	case reflect.Array:
		for i := range value.Len() {
			value.Index(i).Set(sample(typ.Elem(), n+i, depth+1))
		}
	case reflect.Map:
		value = reflect.MakeMap(typ)
		value.SetMapIndex(sample(typ.Key(), n, depth+1), sample(typ.Elem(), n, depth+1))
	case reflect.Pointer:
		value = reflect.New(typ.Elem())
		value.Elem().Set(sample(typ.Elem(), n, depth+1))
	case reflect.Struct:
		for i := range typ.NumField() {
			if typ.Field(i).IsExported() {
				value.Field(i).Set(sample(typ.Field(i).Type, n+i, depth+1))
			}
		}
	default: // nothing to make of functions, channels and interfaces
	}
	return value
}

// shape describes a type by its structure and field names.
func shape(typ reflect.Type, path []reflect.Type) string {
	if slices.Contains(path, typ) || len(path) > 4*maxShape {
		return typ.String()
	}
	path = append(slices.Clip(path), typ)
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return fmt.Sprintf("%s(%s)", typ.Kind(), shape(typ.Elem(), path))
	case reflect.Map:
		return fmt.Sprintf("map(%s,%s)", shape(typ.Key(), path), shape(typ.Elem(), path))
	case reflect.Struct:
		text := "struct{"
		for i := range typ.NumField() {
			field := typ.Field(i)
			text += fmt.Sprintf("%s %q %s;", field.Name, field.Tag, shape(field.Type, path))
		}
		return text + "}"
	default:
		return typ.Kind().String()
	}
}
