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

// Fields lists the fields of a struct type that JSON reads and writes, those of embedded structs included; the Index of a field
// leads from the outer struct. Where keys collide the shallowest field comes first.
func Fields(structure reflect.Type) []Field {
	var fields []Field
	var nested [][]int // embedded structs that stand under a key of their own
	for _, f := range reflect.VisibleFields(structure) {
		tag := f.Tag.Get("json")
		key, _, _ := strings.Cut(tag, ",")
		within := slices.ContainsFunc(nested, func(outer []int) bool {
			return len(outer) < len(f.Index) && slices.Equal(outer, f.Index[:len(outer)])
		})
		switch {
		case within:
			continue
		case f.Anonymous && (tag == "-" || key != ""):
			nested = append(nested, f.Index)
		case f.Anonymous && element(f.Type).Kind() == reflect.Struct:
			continue // its fields come by themselves
		}
		if tag == "-" || !f.IsExported() {
			continue
		}
		if key == "" {
			key = f.Name
		}
		fields = append(fields, Field{StructField: f, Key: key})
	}
	slices.SortStableFunc(fields, func(a, b Field) int { return len(a.Index) - len(b.Index) })
	return fields
}

// element is what a pointer type points to in the end.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
