// Package schemas makes JSON schemas of Go types, which say what the JSON codec reads and writes.
package schemas

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carillon-go/carillon/codec"
)

// Set makes schemas of Go types and keeps those that have a name. It is not safe for concurrent use.
type Set struct {
	registry huma.Registry
	walked   map[reflect.Type]bool
}

// New makes an empty set.
func New() Set {
	return Set{registry: huma.NewMapRegistry("#/components/schemas/", namer()), walked: make(map[reflect.Type]bool)}
}

// Registry holds the schemas that have a name.
func (s Set) Registry() huma.Registry { return s.registry }

// namer names schemas after their types, and says which package's it is where two types have one name.
func namer() func(reflect.Type, string) string {
	names, taken := make(map[reflect.Type]string), make(map[string]bool)
	return func(t reflect.Type, hint string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if name, ok := names[t]; ok {
			return name
		}
		name := plainName(huma.DefaultSchemaNamer(t, hint))
		if t.Kind() != reflect.Struct || t.Name() == "" {
			return name
		}
		if taken[name] {
			origin := t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]
			name = plainName(strings.ToUpper(origin[:1])+origin[1:]) + name
		}
		for base, n := name, 2; taken[name]; n++ {
			name = base + strconv.Itoa(n)
		}
		names[t], taken[name] = name, true
		return name
	}
}

// plainName keeps what OpenAPI allows in the name of a schema.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_') {
			return r
		}
		return -1
	}, name)
}

// Of returns the schema of a type: a reference for structs.
func (s Set) Of(t reflect.Type) *huma.Schema {
	s.prepare(t)
	schema := s.registry.Schema(t, true, "Answer")
	if schema == nil {
		schema = &huma.Schema{}
	}
	s.tidy()
	return tidied(schema)
}

// OfField returns the schema of a parameter.
func (s Set) OfField(f codec.Field) *huma.Schema {
	s.prepare(f.Type)
	schema := tidied(huma.SchemaFromField(s.registry, f.StructField, f.Name))
	schema.Nullable = false
	return schema
}

// prepare tells the registry of types whose JSON is not what their Go type suggests.
func (s Set) prepare(t reflect.Type) {
	if s.walked[t] {
		return
	}
	s.walked[t] = true
	switch {
	case t == reflect.TypeFor[json.Number]():
		s.registry.RegisterTypeAlias(t, reflect.TypeFor[float64]())
		return
	case t.Kind() != reflect.Pointer && opaque(t):
		s.registry.RegisterTypeAlias(t, reflect.TypeFor[json.RawMessage]())
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		s.prepare(t.Elem())
	case reflect.Struct:
		for _, field := range codec.Fields(t) {
			s.prepare(field.Type)
		}
	default:
	}
}

// opaque reports whether nothing is known of a type's JSON: it is written by methods of its own, and not as text.
func opaque(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	describes := pointer.Implements(reflect.TypeFor[huma.SchemaProvider]())
	text := pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	itself := pointer.Implements(reflect.TypeFor[json.Marshaler]()) || pointer.Implements(reflect.TypeFor[json.Unmarshaler]())
	if describes || !itself || t == reflect.TypeFor[json.RawMessage]() {
		return false
	}
	if !text {
		return true
	}
	sample, err := json.Marshal(reflect.New(t).Interface())
	return err != nil || !strings.HasPrefix(string(sample), `"`)
}

// tidy makes the schemas say what the service does: lists are never null, pointers to objects may be.
func (s Set) tidy() {
	for name, schema := range s.registry.Map() {
		tidied(schema)
		structure := s.registry.TypeFromRef("#/components/schemas/" + name)
		if structure == nil || structure.Kind() != reflect.Struct {
			continue
		}
		for _, field := range codec.Fields(structure) {
			property := schema.Properties[field.Key]
			if field.Type.Kind() != reflect.Pointer || property == nil || property.Ref == "" || strings.Contains(field.Tag.Get("json"), ",omit") {
				continue
			}
			null := &huma.Schema{Type: "null", Enum: []any{nil}}
			null.PrecomputeMessages()
			schema.Properties[field.Key] = &huma.Schema{
				AnyOf: []*huma.Schema{{Ref: property.Ref}, null}, Description: property.Description,
			}
		}
	}
}

func tidied(schema *huma.Schema) *huma.Schema {
	if schema.Type == huma.TypeArray {
		schema.Nullable = false
	}
	if schema.Items != nil {
		tidied(schema.Items)
	}
	for _, property := range schema.Properties {
		tidied(property)
	}
	if values, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		tidied(values)
	}
	return schema
}
