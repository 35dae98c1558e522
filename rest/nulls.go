package rest

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
)

// deepest is how far withoutNulls looks into a value. What nests deeper is left to the encoder, which knows endless values.
const deepest = 100

// withoutNulls returns a value like this one whose nil slices and maps are empty ones, so that JSON holds [] and {} where a list
// or an object is declared. The value itself is left as it is; what needs no change is shared with it.
func withoutNulls(value any) any {
	v := reflect.ValueOf(value)
	if !v.IsValid() {
		return value
	}
	return filled(v, 0).Interface()
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

func filled(v reflect.Value, depth int) reflect.Value {
	if depth > deepest || !holdsNulls(v.Type(), nil) {
		return v
	}
	depth++
	switch v.Kind() {
	case reflect.Slice:
		return filledItems(v, reflect.MakeSlice(v.Type(), v.Len(), v.Len()), depth)
	case reflect.Array:
		return filledItems(v, reflect.New(v.Type()).Elem(), depth)
	case reflect.Map:
		return filledMap(v, depth)
	case reflect.Pointer, reflect.Interface:
		return filledTarget(v, depth)
	case reflect.Struct:
		to := reflect.New(v.Type()).Elem()
		to.Set(v)
		fillFields(to, depth)
		return to
	default:
		return v
	}
}

func filledItems(v, to reflect.Value, depth int) reflect.Value {
	if v.Len() > 0 && !holdsNulls(v.Type().Elem(), nil) {
		return v
	}
	for i := range v.Len() {
		to.Index(i).Set(filled(v.Index(i), depth))
	}
	return to
}

func filledMap(v reflect.Value, depth int) reflect.Value {
	if !v.IsNil() && !holdsNulls(v.Type().Elem(), nil) {
		return v
	}
	to := reflect.MakeMapWithSize(v.Type(), v.Len())
	for entries := v.MapRange(); entries.Next(); {
		to.SetMapIndex(entries.Key(), filled(entries.Value(), depth))
	}
	return to
}

func filledTarget(v reflect.Value, depth int) reflect.Value {
	if v.IsNil() {
		return v
	}
	inner := filled(v.Elem(), depth)
	if v.Kind() == reflect.Interface {
		return inner
	}
	to := reflect.New(inner.Type())
	to.Elem().Set(inner)
	return to
}

// fillFields fills the fields of a copy. Those left out of JSON when they are zero stay as they are.
func fillFields(to reflect.Value, depth int) {
	for i := range to.NumField() {
		field, value := to.Type().Field(i), to.Field(i)
		if field.Anonymous && !field.IsExported() && field.Type.Kind() == reflect.Struct {
			fillFields(value, depth)
			continue
		}
		omitted := strings.Contains(field.Tag.Get("json"), ",omitzero") && value.IsZero()
		if field.IsExported() && !omitted && holdsNulls(field.Type, nil) {
			value.Set(filled(value, depth))
		}
	}
}
