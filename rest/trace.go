package rest

import (
	"net/http"
	"strings"

	"github.com/carillon-go/carillon"
)

// traceOf reads W3C trace context. What breaks its rules is left out, as the standard asks, and the request goes on without.
func traceOf(r *http.Request) (parent, state string) {
	parents := r.Header.Values("Traceparent")
	if len(parents) != 1 {
		return "", ""
	}
	trace := carillon.ParseTrace(parents[0], strings.Join(r.Header.Values("Tracestate"), ","))
	return trace.Parent, trace.State
}
