package codec

import (
	"reflect"
	"slices"
	"strings"
)

// Field is a field of a struct as JSON knows it.
type Field struct {
	reflect.StructField
	// Key is the field's name in JSON.
	Key string
}

// Fields lists the fields of a struct type that JSON reads and writes, those of embedded structs behind those of the struct
// itself. The Index of a field leads to it from the outer struct. Where keys collide, the first is the one JSON means.
func Fields(structure reflect.Type) []Field {
	type level struct {
		structure reflect.Type
		index     []int
	}
	var fields []Field
	seen := make(map[reflect.Type]bool)
	for levels := []level{{structure: structure}}; len(levels) > 0; levels = levels[1:] {
		at := levels[0]
		if seen[at.structure] {
			continue
		}
		seen[at.structure] = true
		for i := range at.structure.NumField() {
			f := at.structure.Field(i)
			f.Index = append(slices.Clone(at.index), i)
			key, written := keyOf(f)
			switch {
			case !written:
			case promoted(f):
				levels = append(levels, level{structure: element(f.Type), index: f.Index})
			case f.IsExported():
				fields = append(fields, Field{StructField: f, Key: key})
			}
		}
	}
	return fields
}

// keyOf is a field's name in JSON; written is false when the field is left out of it.
func keyOf(f reflect.StructField) (key string, written bool) {
	tag := f.Tag.Get("json")
	if key, _, _ = strings.Cut(tag, ","); key == "" {
		key = f.Name
	}
	return key, tag != "-"
}

// promoted reports whether a field is an embedded struct whose fields stand among those of the outer one.
func promoted(f reflect.StructField) bool {
	named, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return f.Anonymous && named == "" && element(f.Type).Kind() == reflect.Struct
}

// element is what a pointer type points to in the end.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
