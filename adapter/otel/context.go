package otel

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillon-go/carillon"
)

// The headers of W3C trace context.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// The limits of a tracestate that is carried on, in characters: in all, and of a member that goes first when that is too much.
const (
	maxState  = 512
	maxMember = 128
)

// carrier gives trace context to the propagator of OpenTelemetry.
type carrier struct{ carillon.Trace }

// Get returns a header.
func (c *carrier) Get(key string) string {
	switch key {
	case traceParent:
		return c.Parent
	case traceState:
		return c.State
	default:
		return ""
	}
}

// Set sets a header.
func (c *carrier) Set(key, value string) {
	switch key {
	case traceParent:
		c.Parent = value
	case traceState:
		c.State = value
	}
}

// Keys lists the headers.
func (c *carrier) Keys() []string { return []string{traceParent, traceState} }

// spanOf reads trace context; what is not valid is no span.
func spanOf(t carillon.Trace) trace.SpanContext {
	if t.Parent == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), &carrier{t})
	return trace.SpanContextFromContext(ctx)
}

// traceOf is the trace context that goes on from a span.
func traceOf(span trace.SpanContext) carillon.Trace {
	if !span.IsValid() {
		return carillon.Trace{}
	}
	var c carrier
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), span), &c)
	c.State = shorten(c.State)
	return c.Trace
}

// shorten keeps a tracestate within what everybody carries, as the standard asks: long members go first, then those at the end.
func shorten(state string) string {
	if len(state) <= maxState {
		return state
	}
	members := strings.Split(state, ",")
	for i := len(members) - 1; i >= 0 && length(members) > maxState; i-- {
		if len(members[i]) > maxMember {
			members = append(members[:i], members[i+1:]...)
		}
	}
	for length(members) > maxState {
		members = members[:len(members)-1]
	}
	return strings.Join(members, ",")
}

// length is how long members are together.
func length(members []string) int {
	sum := max(0, len(members)-1)
	for _, member := range members {
		sum += len(member)
	}
	return sum
}
