package otel_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/otel"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	parent  = "00-" + traceID + "-" + spanID + "-01"
)

// TestNamesAreThoseOfTheConventions compares what the page says with the constants that OpenTelemetry makes of its conventions.
func TestNamesAreThoseOfTheConventions(t *testing.T) {
	t.Parallel()
	known := []attribute.Key{
		semconv.MessagingSystemKey, semconv.MessagingDestinationNameKey, semconv.MessagingOperationNameKey, semconv.MessagingOperationTypeKey,
		semconv.MessagingConsumerGroupNameKey, semconv.MessagingMessageIDKey, semconv.MessagingMessageConversationIDKey,
		semconv.MessagingBatchMessageCountKey, semconv.HTTPRequestMethodKey, semconv.HTTPRouteKey, semconv.HTTPResponseStatusCodeKey,
		semconv.URLSchemeKey, semconv.URLPathKey,
	}
	for _, heading := range []string{"Spans", "Metrics"} {
		for name, row := range documented(t, heading) {
			for _, attribute := range row.Attributes {
				if !strings.HasPrefix(attribute, "carillon.") && !slices.ContainsFunc(known, func(k key) bool { return string(k) == attribute }) {
					t.Errorf("%s has %s, which is no convention", name, attribute)
				}
			}
		}
	}
	conventions := map[string]string{
		messagingconv.ClientOperationDuration{}.Name(): messagingconv.ClientOperationDuration{}.Unit(),
		messagingconv.ClientSentMessages{}.Name():      messagingconv.ClientSentMessages{}.Unit(),
		messagingconv.ClientConsumedMessages{}.Name():  messagingconv.ClientConsumedMessages{}.Unit(),
		messagingconv.ProcessDuration{}.Name():         messagingconv.ProcessDuration{}.Unit(),
		httpconv.ServerRequestDuration{}.Name():        httpconv.ServerRequestDuration{}.Unit(),
	}
	got := make(map[string]string)
	for name, row := range documented(t, "Metrics") {
		if !strings.HasPrefix(name, "carillon.") {
			got[name] = row.Cells[1]
		}
	}
	if diff := cmp.Diff(conventions, got); diff != "" {
		t.Errorf("metrics (-conventions +ours):\n%s", diff)
	}
}

// key is the name of an attribute.
type key = attribute.Key

// TestContext says where spans belong, and what messages carry on.
func TestContext(t *testing.T) {
	t.Parallel()
	members := func(n, size int) string {
		var all []string
		for i := range n {
			all = append(all, string(rune('a'+i))+"="+strings.Repeat("x", size-2))
		}
		return strings.Join(all, ",")
	}
	for _, test := range []struct {
		name      string
		cause     carillon.Trace
		within    bool // the trace goes on
		wantState string
	}{
		{"from a message", carillon.Trace{Parent: parent, State: "a=1,b=2"}, true, "a=1,b=2"},
		{"without context", carillon.Trace{}, false, ""},
		{"parent not valid", carillon.Trace{Parent: "00-nonsense", State: "a=1"}, false, ""},
		{"parent of zeros", carillon.Trace{Parent: "00-" + strings.Repeat("0", 32) + "-" + spanID + "-01"}, false, ""},
		{"state not valid", carillon.Trace{Parent: parent, State: "A=1"}, true, ""},
		{"state too long", carillon.Trace{Parent: parent, State: members(6, 100)}, true, members(5, 100)},
		{"long member goes first", carillon.Trace{Parent: parent, State: "z=" + strings.Repeat("y", 200) + "," + members(4, 100)}, true, members(4, 100)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			exported := tracetest.NewInMemoryExporter()
			telemetry := otel.Instrument(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exported)), nil)
			m := &carillon.Message{ID: "1", Type: "noted"}
			_, o := telemetry.Begin(t.Context(), carillon.Activity{Kind: carillon.ActivityProcess, Name: "notes", Message: m, Count: 1, Cause: test.cause})
			carried := o.Trace()
			o.End(nil)
			span := exported.GetSpans()[0]
			want := carillon.Trace{
				Parent: "00-" + span.SpanContext.TraceID().String() + "-" + span.SpanContext.SpanID().String() + "-" + span.SpanContext.TraceFlags().String(),
				State:  test.wantState,
			}
			if carried != want {
				t.Errorf("what comes of it carries %+v, want %+v", carried, want)
			}
			if carried != carillon.ParseTrace(carried.Parent, carried.State) {
				t.Errorf("what it carries is not valid: %+v", carried)
			}
			if within := span.SpanContext.TraceID().String() == traceID && span.Parent.SpanID().String() == spanID; within != test.within {
				t.Errorf("the trace goes on: %v, want %v", within, test.within)
			}
		})
	}
}

// TestAmbientContext says which activities go on from the span of their context, and which from their cause.
func TestAmbientContext(t *testing.T) {
	t.Parallel()
	for kind, ambient := range map[carillon.ActivityKind]bool{
		carillon.ActivityRequest: true, carillon.ActivityCommand: true, carillon.ActivityQuery: true, carillon.ActivityAppend: true,
		carillon.ActivityCreate: false, carillon.ActivitySend: false, carillon.ActivityProcess: false,
	} {
		exported := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exported))
		ctx, around := provider.Tracer("test").Start(t.Context(), "around")
		m := &carillon.Message{ID: "1", Type: "noted"}
		_, o := otel.Instrument(provider, nil).Begin(ctx, carillon.Activity{Kind: kind, Name: "notes", Message: m, Cause: carillon.Trace{Parent: parent}})
		o.End(nil)
		span := exported.GetSpans()[0]
		if got := span.Parent.SpanID() == around.SpanContext().SpanID(); got != ambient {
			t.Errorf("%s goes on from the span of the context: %v, want %v", span.Name, got, ambient)
		}
		if linked := len(span.Links) == 1 && span.Links[0].SpanContext.SpanID().String() == spanID; linked != ambient {
			t.Errorf("%s is linked to its cause: %v, want %v", span.Name, linked, ambient)
		}
	}
}

// TestWithoutProviders says what messages carry when there is nobody to make spans, or a sampler that wants none.
func TestWithoutProviders(t *testing.T) {
	t.Parallel()
	begin := func(provider trace.TracerProvider) carillon.Trace {
		_, o := otel.Instrument(provider, nil).Begin(t.Context(), carillon.Activity{
			Kind: carillon.ActivityProcess, Message: &carillon.Message{}, Cause: carillon.Trace{Parent: parent, State: "a=1"},
		})
		defer o.End(carillon.ErrUnavailable)
		return o.Trace()
	}
	if got := begin(nil); got != (carillon.Trace{}) {
		t.Errorf("without a provider it is %+v", got)
	}
	if got, want := begin(noop.NewTracerProvider()), (carillon.Trace{Parent: parent, State: "a=1"}); got != want {
		t.Errorf("with a provider of nothing it is %+v, want %+v", got, want)
	}
	got := begin(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))
	if !strings.HasPrefix(got.Parent, "00-"+traceID) || !strings.HasSuffix(got.Parent, "-00") || got.State != "a=1" {
		t.Errorf("what is not sampled carries %+v", got)
	}
}

// TestBaggageStays says that baggage is not carried on.
func TestBaggageStays(t *testing.T) {
	t.Parallel()
	member, err := baggage.NewMember("customer", "4711")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	m := &carillon.Message{ID: "1", Type: "noted"}
	_, o := otel.Instrument(sdktrace.NewTracerProvider(), nil).Begin(baggage.ContextWithBaggage(context.Background(), bag),
		carillon.Activity{Kind: carillon.ActivityCreate, Name: "notes", Message: m})
	defer o.End(nil)
	if got := o.Trace(); len(m.Headers) > 0 || strings.Contains(got.Parent+got.State, "4711") {
		t.Errorf("the message carries %+v and %v", got, m.Headers)
	}
}

// TestOutcomes says which errors make a span one that failed.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
		code   codes.Code
		typ    string
	}{
		{nil, 0, codes.Unset, ""},
		{nil, 404, codes.Unset, ""},
		{nil, 503, codes.Error, "503"},
		{carillon.Rejectf("no"), 0, codes.Unset, "rejected"},
		{carillon.ErrConflict, 0, codes.Unset, "conflict"},
		{carillon.ErrUnavailable, 0, codes.Error, "unavailable"},
		{context.DeadlineExceeded, 0, codes.Error, "timeout"},
		{errIllegible, 0, codes.Error, "_OTHER"},
	} {
		exported := tracetest.NewInMemoryExporter()
		_, o := otel.Instrument(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exported)), nil).Begin(t.Context(), carillon.Activity{})
		o.Answered(test.status)
		o.End(test.err)
		span, typ := exported.GetSpans()[0], ""
		for _, a := range span.Attributes {
			if a.Key == "error.type" {
				typ = a.Value.AsString()
			}
		}
		if span.Status.Code != test.code || typ != test.typ {
			t.Errorf("error %v, status %d: %v %q, want %v %q", test.err, test.status, span.Status.Code, typ, test.code, test.typ)
		}
	}
}
