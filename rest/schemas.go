package rest

import (
	"errors"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carillon-go/carillon/codec"
	jsonschemas "github.com/carillon-go/carillon/internal/schemas"
)

// schemas makes JSON schemas of Go types and checks values against them.
type schemas struct {
	set      jsonschemas.Set
	registry huma.Registry
}

func newSchemas() schemas {
	set := jsonschemas.New()
	return schemas{set: set, registry: set.Registry()}
}

// of returns the schema of a type: a reference for structs.
func (s schemas) of(t reflect.Type) *huma.Schema { return s.set.Of(t) }

// ofField returns the schema of a parameter.
func (s schemas) ofField(f codec.Field) *huma.Schema { return s.set.OfField(f) }

// withOptional copies an object's schema with some of its properties made optional.
func (s schemas) withOptional(schema *huma.Schema, keys []string) *huma.Schema {
	if schema.Ref != "" {
		schema = s.registry.SchemaFromRef(schema.Ref)
	}
	copied := *schema
	copied.Required = slices.DeleteFunc(slices.Clone(schema.Required), func(key string) bool { return slices.Contains(keys, key) })
	copied.PrecomputeMessages()
	return &copied
}

// check lists what is wrong with a decoded value. It is safe for concurrent use.
func (s schemas) check(schema *huma.Schema, location string, value any) []FieldProblem {
	var result huma.ValidateResult
	huma.Validate(s.registry, schema, huma.NewPathBuffer([]byte(location), len(location)), huma.ModeWriteToServer, value, &result)
	var problems []FieldProblem
	for _, err := range result.Errors {
		if detail, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			problems = append(problems, FieldProblem{Location: detail.Location, Message: detail.Message})
			continue
		}
		problems = append(problems, FieldProblem{Location: location, Message: err.Error()})
	}
	return problems
}
