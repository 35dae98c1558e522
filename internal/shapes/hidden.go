package shapes

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
)

// Hidden finds a field that an encoding of a type's exported fields passes over, in the type or in what it is made of, and the struct
// that has it. Types that write themselves, such as [time.Time], hide nothing, nor does what stands behind an interface; types named as
// empty are passed over.
func Hidden(typ reflect.Type, empty ...reflect.Type) (owner reflect.Type, field string, found bool) {
	return hidden(typ, empty)
}

func hidden(typ reflect.Type, path []reflect.Type) (owner reflect.Type, field string, found bool) {
	if slices.Contains(path, typ) || writesItself(typ) {
		return nil, "", false
	}
	path = append(slices.Clip(path), typ)
	switch typ.Kind() {
	case reflect.Map:
		if owner, field, found = hidden(typ.Key(), path); found {
			return owner, field, true
		}
		return hidden(typ.Elem(), path)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return hidden(typ.Elem(), path)
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Name == "_" || f.Type.Size() == 0 {
				continue
			}
			embedded := f.Anonymous && f.Type.Kind() == reflect.Struct // its exported fields count as those of the type
			if !f.IsExported() && !embedded || f.Tag.Get("json") == "-" {
				return typ, f.Name, true
			}
			if owner, field, found = hidden(f.Type, path); found {
				return owner, field, true
			}
		}
	default: // a value of its own
	}
	return nil, "", false
}

// writesItself reports whether a type has an encoding of its own.
func writesItself(typ reflect.Type) bool {
	for _, own := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.BinaryMarshaler]()} {
		if typ.Implements(own) || reflect.PointerTo(typ).Implements(own) {
			return true
		}
	}
	return false
}
