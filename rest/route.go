package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

// route is where an endpoint is served.
type route struct {
	method string
	path   string // as http.ServeMux takes it
	// template is the path as OpenAPI writes it, and names are its parameters.
	template string
	names    []string
}

// The methods an endpoint may have. HEAD comes with GET.
func reading() []string { return []string{http.MethodGet} }

func changing() []string {
	return []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// parseRoute reads a pattern such as "POST /orders/{id}/cancel".
func parseRoute(pattern string, methods []string) (route, error) {
	refused := func(rule string, args ...any) (route, error) {
		return route{}, carillon.Invalidf(fmt.Sprintf("endpoint %q", pattern), rule, args...)
	}
	method, path, found := strings.Cut(pattern, " ")
	path = strings.TrimLeft(path, " ")
	switch {
	case !found || !strings.HasPrefix(path, "/"):
		return refused(`a pattern is a method and a path, such as "%s /orders/{id}"`, methods[0])
	case !slices.Contains(methods, method):
		return refused("its method is one of %s", strings.Join(methods, ", "))
	case strings.HasSuffix(path, "/"):
		return refused("it ends in a slash and would match everything below: end it in {$} to mean this path alone")
	}
	r := route{method: method, path: path}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		if !strings.ContainsAny(segment, "{}") {
			continue
		}
		name, opened := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		if !opened || !closed || strings.ContainsAny(name, "{}") {
			return refused("a parameter is a whole segment, such as {id}")
		}
		if name == "$" {
			segments[i] = ""
			continue
		}
		name = strings.TrimSuffix(name, "...")
		if slices.Contains(r.names, name) {
			return refused("parameter {%s} stands twice", name)
		}
		r.names = append(r.names, name)
		segments[i] = "{" + name + "}"
	}
	r.template = "/" + strings.Join(segments, "/")
	return r, nil
}

func (r route) String() string { return r.method + " " + r.path }
