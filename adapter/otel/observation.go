package otel

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillon-go/carillon"
)

// observation is an activity under way.
type observation struct {
	telemetry *Telemetry
	activity  carillon.Activity
	shape     shape
	measuring func(attributes []attribute.KeyValue, took time.Duration) // records the metrics; nil for none
	start     time.Time
	status    int
	span      trace.Span // nil for none
}

// Begin begins the span of an activity, and its measurement.
func (t *Telemetry) Begin(ctx context.Context, a carillon.Activity) (context.Context, carillon.Observation) {
	o := &observation{telemetry: t, activity: a, shape: shapeOf(a.Kind), start: time.Now()}
	if t.tracer == nil || o.shape.none {
		o.measuring = t.instruments.measure(ctx, &o.activity)
		return ctx, o
	}
	parent, links := o.place(ctx)
	ctx, o.span = t.tracer.Start(parent, o.shape.name(&a), trace.WithSpanKind(o.shape.kind), trace.WithTimestamp(o.start),
		trace.WithLinks(links...), trace.WithAttributes(o.shape.attributes(&a)...))
	o.measuring = t.instruments.measure(ctx, &o.activity)
	return ctx, o
}

// place is where the span of an activity belongs: under the span of a context, and linked to others.
func (o *observation) place(ctx context.Context) (context.Context, []trace.Link) {
	var links []trace.Link
	cause, around := spanOf(o.activity.Cause), trace.SpanContextFromContext(ctx)
	switch {
	case !cause.IsValid() || cause.SpanID() == around.SpanID() && cause.TraceID() == around.TraceID():
	case !o.shape.ambient || !around.IsValid():
		ctx = trace.ContextWithRemoteSpanContext(ctx, cause)
	case cause.TraceID() != around.TraceID():
		links = append(links, trace.Link{SpanContext: cause})
	}
	for _, link := range o.activity.Links {
		if span := spanOf(link); span.IsValid() {
			links = append(links, trace.Link{SpanContext: span})
		}
	}
	return ctx, links
}

// Trace is what goes on from the activity's span.
func (o *observation) Trace() carillon.Trace {
	if o.span == nil {
		return carillon.Trace{}
	}
	return traceOf(o.span.SpanContext())
}

// Answered notes the status of an answer.
func (o *observation) Answered(status int) { o.status = status }

// End ends the span and records the metrics.
func (o *observation) End(err error) {
	took := time.Since(o.start)
	attributes := bounded(o.shape, &o.activity)
	var outcome []attribute.KeyValue
	if o.status > 0 {
		outcome = append(outcome, httpStatus.Int(o.status))
	}
	switch {
	case err != nil:
		outcome = append(outcome, errorType.String(failure(err)))
	case o.status >= http.StatusInternalServerError:
		outcome = append(outcome, errorType.String(strconv.Itoa(o.status)))
	}
	if o.measuring != nil {
		o.measuring(append(attributes, outcome...), took)
	}
	if o.span == nil {
		return
	}
	o.span.SetAttributes(outcome...)
	if err != nil && !isAnswer(err) || o.status >= http.StatusInternalServerError {
		text := ""
		if o.telemetry.texts && err != nil {
			text = err.Error()
		}
		o.span.SetStatus(codes.Error, text)
	}
	o.span.End(trace.WithTimestamp(o.start.Add(took)))
}
