package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
)

// parameter is a field of a request that comes from its path or its query string.
type parameter struct {
	codec.Field
	in       string // "path" or "query"
	name     string // in the request
	schema   *huma.Schema
	fallback string // what is read when it is left out
	required bool
}

// pathParameters finds the fields that the parameters of a path fill: those of the same name in JSON, or else in any case.
func (s *site) pathParameters(request reflect.Type, at route) ([]parameter, error) {
	fields := codec.Fields(request)
	var parameters []parameter
	for _, name := range at.names {
		i := slices.IndexFunc(fields, func(f codec.Field) bool { return f.Key == name })
		if i < 0 {
			i = slices.IndexFunc(fields, func(f codec.Field) bool {
				return strings.EqualFold(f.Key, name) || strings.EqualFold(f.Name, name)
			})
		}
		if i < 0 {
			return nil, carillon.Invalidf(fmt.Sprintf("endpoint %q", at), "%s has no field for the path's {%s}", request, name)
		}
		if !textual(fields[i].Type) {
			return nil, carillon.Invalidf(fmt.Sprintf("endpoint %q", at), "field %s of %s cannot be read from a path", fields[i].Name, request)
		}
		parameters = append(parameters, parameter{Field: fields[i], in: "path", name: name, schema: s.schemas.ofField(fields[i]), required: true})
	}
	return parameters, nil
}

// queryParameters makes parameters of the query string of all fields that the path does not fill.
func (s *site) queryParameters(request reflect.Type, at route, path []parameter) ([]parameter, error) {
	var parameters []parameter
	for _, field := range codec.Fields(request) {
		if slices.ContainsFunc(path, func(p parameter) bool { return p.Key == field.Key }) {
			continue
		}
		one := field.Type
		if one.Kind() == reflect.Slice && !readsText(one) {
			one = one.Elem()
		}
		if !textual(one) {
			return nil, carillon.Invalidf(fmt.Sprintf("endpoint %q", at), "field %s of %s cannot be read from a query string", field.Name, request)
		}
		parameters = append(parameters, parameter{
			Field: field, in: "query", name: field.Key, schema: s.schemas.ofField(field),
			fallback: field.Tag.Get("default"), required: field.Tag.Get("required") == "true",
		})
	}
	return parameters, nil
}

// read fills a field of a request from the texts of its parameter.
func (s *site) read(p parameter, request reflect.Value, texts []string) error {
	field := fieldAt(request, p.Index)
	wrong := func(err error) error {
		problem := problemf(ProblemParameter, "%s parameter %s: %s", p.in, p.name, err)
		problem.Errors = []FieldProblem{{Location: p.in + "." + p.name, Message: err.Error()}}
		return problem
	}
	var checked any
	if field.Kind() == reflect.Slice && !readsText(field.Type()) {
		items := make([]any, len(texts))
		values := reflect.MakeSlice(field.Type(), len(texts), len(texts))
		for i, text := range texts {
			item, err := readText(values.Index(i), text)
			if err != nil {
				return wrong(err)
			}
			items[i] = item
		}
		field.Set(values)
		checked = items
	} else {
		if len(texts) > 1 {
			return wrong(fmt.Errorf("it is given %d times", len(texts)))
		}
		value, err := readText(field, texts[0])
		if err != nil {
			return wrong(err)
		}
		checked = value
	}
	if found := s.schemas.check(p.schema, p.in+"."+p.name, checked); checked != nil && len(found) > 0 {
		return wrong(fmt.Errorf("%s", found[0].Message))
	}
	return nil
}

// fieldAt is a field of a struct, through embedded pointers that it fills on the way.
func fieldAt(structure reflect.Value, index []int) reflect.Value {
	for i, n := range index {
		if i > 0 && structure.Kind() == reflect.Pointer {
			if structure.IsNil() {
				structure.Set(reflect.New(structure.Type().Elem()))
			}
			structure = structure.Elem()
		}
		structure = structure.Field(n)
	}
	return structure
}

// readQuery fills the fields of a request from its query string. An empty value reads as left out.
func (s *site) readQuery(parameters []parameter, r *http.Request, request reflect.Value) error {
	given, err := queryOf(r, parameters)
	if err != nil {
		return err
	}
	for _, p := range parameters {
		texts := slices.DeleteFunc(slices.Clone(given[p.name]), func(text string) bool { return text == "" })
		switch {
		case len(texts) > 0:
		case p.fallback != "":
			texts = []string{p.fallback}
		case p.required:
			return problemf(ProblemParameter, "query parameter %s is required", p.name)
		default:
			continue
		}
		if err := s.read(p, request, texts); err != nil {
			return err
		}
	}
	return nil
}

// queryOf parses a query string and refuses parameters that are not among those expected.
func queryOf(r *http.Request, expected []parameter) (url.Values, error) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problemf(ProblemParameter, "The query string cannot be read: %s", err)
	}
	for name := range given {
		if slices.ContainsFunc(expected, func(p parameter) bool { return p.name == name }) {
			continue
		}
		if len(expected) == 0 {
			return nil, problemf(ProblemParameter, "There is no query parameter %q here, nor any other.", name)
		}
		names := make([]string, len(expected))
		for i, p := range expected {
			names[i] = p.name
		}
		return nil, problemf(ProblemParameter, "There is no query parameter %q here, but %s.", name, strings.Join(names, ", "))
	}
	return given, nil
}
