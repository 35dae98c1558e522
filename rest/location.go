package rest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
)

// location is the template of an address: text, a field of the command, text, and so on. It is empty when there is none.
type location []string

// parseLocation reads a template such as "/orders/{id}" and checks it against the fields of a command.
func parseLocation(pattern, template string, request reflect.Type) (location, error) {
	if template == "" {
		return nil, nil
	}
	at, err := parseRoute("GET "+template, reading())
	if err != nil {
		return nil, err
	}
	fields := codec.Fields(request)
	var parts location
	text := at.template
	for _, name := range at.names {
		if !slices.ContainsFunc(fields, func(f codec.Field) bool { return f.Key == name && textual(f.Type) }) {
			return nil, carillon.Invalidf(fmt.Sprintf("endpoint %q", pattern), "%s has no plain field %q for its location", request, name)
		}
		before, after, _ := strings.Cut(text, "{"+name+"}")
		parts, text = append(parts, before, name), after
	}
	return append(parts, text), nil
}

// of is the address of what a command changed, empty when a field it needs is.
func (l location) of(command any) string {
	if len(l) == 0 {
		return ""
	}
	encoded, err := json.Marshal(command)
	if err != nil {
		return ""
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return ""
	}
	var address strings.Builder
	for i, part := range l {
		if i%2 == 1 {
			part = url.PathEscape(plainText(fields[part]))
			if part == "" {
				return ""
			}
		}
		address.WriteString(part)
	}
	return address.String()
}

// plainText is a JSON string without its quotes, or any other value as it is.
func plainText(raw json.RawMessage) string {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return string(raw)
	}
	return text
}
