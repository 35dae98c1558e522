package rest

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
)

// withoutNulls returns a value like this one whose nil slices and maps are empty ones, so that JSON holds [] and {} where a list
// or an object is declared. The value itself is left as it is; what needs no change is shared with it.
func withoutNulls(value any) any {
	v := reflect.ValueOf(value)
	if !v.IsValid() {
		return value
	}
	return make(filler).value(v).Interface()
}

// holdsNulls reports whether values of a type may hold nil slices or maps that JSON writes as null.
func holdsNulls(t reflect.Type, above []reflect.Type) bool {
	for _, outer := range above {
		if outer == t {
			return true // a recursive type: look at the values
		}
	}
	if encodesItself(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Pointer, reflect.Array:
		return holdsNulls(t.Elem(), append(above, t))
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsNulls(t.Field(i).Type, append(above, t)) {
				return true
			}
		}
	default:
	}
	return false
}

func encodesItself(t reflect.Type) bool {
	for _, marshaler := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(marshaler) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(marshaler) {
			return true
		}
	}
	return false
}

// filler copies a value on the way to its nil slices and maps. It holds the references it is inside of: one that leads back to
// itself is left to the encoder, which says so.
type filler map[reference]bool

type reference struct {
	address uintptr
	length  int
	of      reflect.Type
}

func (f filler) value(v reflect.Value) reflect.Value {
	if !holdsNulls(v.Type(), nil) {
		return v
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		r := reference{address: v.Pointer(), of: v.Type()}
		if v.Kind() == reflect.Slice {
			r.length = v.Len()
		}
		if f[r] {
			return v
		}
		f[r] = true
		defer delete(f, r)
	default:
	}
	switch v.Kind() {
	case reflect.Slice:
		return f.items(v, reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
	case reflect.Array:
		return f.items(v, reflect.New(v.Type()).Elem())
	case reflect.Map:
		return f.entries(v)
	case reflect.Pointer, reflect.Interface:
		return f.target(v)
	case reflect.Struct:
		to := reflect.New(v.Type()).Elem()
		to.Set(v)
		f.fields(to)
		return to
	default:
		return v
	}
}

func (f filler) items(v, to reflect.Value) reflect.Value {
	if v.Len() > 0 && !holdsNulls(v.Type().Elem(), nil) {
		return v
	}
	for i := range v.Len() {
		to.Index(i).Set(f.value(v.Index(i)))
	}
	return to
}

func (f filler) entries(v reflect.Value) reflect.Value {
	if !v.IsNil() && !holdsNulls(v.Type().Elem(), nil) {
		return v
	}
	to := reflect.MakeMapWithSize(v.Type(), v.Len())
	for entries := v.MapRange(); entries.Next(); {
		to.SetMapIndex(entries.Key(), f.value(entries.Value()))
	}
	return to
}

func (f filler) target(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	inner := f.value(v.Elem())
	if v.Kind() == reflect.Interface {
		return inner
	}
	to := reflect.New(inner.Type())
	to.Elem().Set(inner)
	return to
}

// fields fills the fields of a copy. Those left out of JSON when they are zero stay as they are.
func (f filler) fields(to reflect.Value) {
	for i := range to.NumField() {
		field, value := to.Type().Field(i), to.Field(i)
		if field.Anonymous && !field.IsExported() && field.Type.Kind() == reflect.Struct {
			f.fields(value)
			continue
		}
		omitted := strings.Contains(field.Tag.Get("json"), ",omitzero") && value.IsZero()
		if field.IsExported() && !omitted && holdsNulls(field.Type, nil) {
			value.Set(f.value(value))
		}
	}
}
