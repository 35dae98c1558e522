package otel_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/carillon-go/carillon/adapter/otel"
)

// TestNothingIsToldOfPayloads looks for what payloads and errors say in all spans and metrics. The control asks for the texts of errors.
func TestNothingIsToldOfPayloads(t *testing.T) {
	t.Parallel()
	if all := scenario(t, 2).text(); strings.Contains(all, secret) {
		t.Errorf("telemetry tells %q", secret)
	}
	if all := scenario(t, 2, otel.ErrorTexts()).text(); !strings.Contains(all, secret) {
		t.Error("with the texts of errors telemetry does not tell them: the test would see nothing")
	}
}

// TestMetricsAreBounded says that more messages make no more series.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	few, many := scenario(t, 2), scenario(t, 25)
	if few, many := series(t, few.metrics), series(t, many.metrics); few != many || few == 0 {
		t.Errorf("%d series for few messages, %d for many", few, many)
	}
	if few, many := len(few.spans.GetSpans()), len(many.spans.GetSpans()); many < 5*few {
		t.Errorf("%d spans for few messages, %d for many: the control does not grow", few, many)
	}
}

func series(t *testing.T, metrics metricdata.ResourceMetrics) (count int) {
	t.Helper()
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			_, all := seriesOf(t, m)
			count += len(all)
		}
	}
	return count
}

// TestBatchesAreLinked says that what serves several messages is in the trace of none of them, and linked to all.
func TestBatchesAreLinked(t *testing.T) {
	t.Parallel()
	all := scenario(t, 4)
	for _, name := range []string{"send notes", "process notes", "project texts"} {
		batches := 0
		for _, span := range all.named(name) {
			traces := make(map[string]bool)
			for _, link := range span.Links {
				traces[link.SpanContext.TraceID().String()] = true
			}
			if len(traces) < 3 {
				continue
			}
			batches++
			if traces[span.SpanContext.TraceID().String()] {
				t.Errorf("%s is in the trace of one of its messages", name)
			}
		}
		if batches == 0 {
			t.Errorf("no %s is linked to three traces", name)
		}
	}
	for _, name := range []string{"react mailer", "retry copies"} {
		spans := all.named(name)
		if len(spans) == 0 {
			t.Errorf("there is no %s", name)
		}
		for _, span := range spans {
			if len(span.Links) != 1 || span.Links[0].SpanContext.TraceID() == span.SpanContext.TraceID() || span.Parent.IsValid() {
				t.Errorf("%s has the links %v and the parent %v", name, span.Links, span.Parent)
			}
		}
	}
}

// TestFigures reads gauges and counters of a service that has come to rest.
func TestFigures(t *testing.T) {
	t.Parallel()
	const count = 4 // notes one by one, and some together
	got := make(map[string]int64)
	for _, scope := range scenario(t, count).metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+label(point.Attributes.ToSlice())] = point.Value
				}
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+label(point.Attributes.ToSlice())] = point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					got[m.Name+label(point.Attributes.ToSlice())] = int64(point.Count)
				}
			}
		}
	}
	for name, want := range map[string]int64{
		"carillon.projection.lag texts":                                          0,
		"carillon.outbox.backlog notes":                                          0,
		"carillon.consumer.backlog reader copies":                                0,
		"carillon.dead_letters reader copies":                                    count + together,
		"carillon.dead_letters copier notes":                                     0,
		"carillon.breaker.state printer closed":                                  1,
		"carillon.breaker.state printer open":                                    0,
		"messaging.client.consumed.messages copier notes receive receive memory": count + together,
		"messaging.process.duration copier notes process process memory":         count + together,
		"messaging.client.sent.messages notes send send memory":                  2 * (count + together), // to the store, and on to the broker
		"carillon.dispatch.duration command note.jot":                            count,
		"carillon.dispatch.duration command note.jot rejected":                   count,
		"http.server.request.duration POST 201 /notes http":                      count,
		"http.server.request.duration GET 500 /notes/{id} http 500":              count,
		"carillon.append.duration conflict":                                      1,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %d (told: %v), want %d", name, value, ok, want)
		}
	}
	if t.Failed() {
		t.Logf("%v", got)
	}
}

// label is the values of attributes, in order of their names, that of a failure last.
func label(all []attribute.KeyValue) (text string) {
	failure := ""
	for _, a := range all {
		if a.Key == "error.type" {
			failure = " " + a.Value.String()
			continue
		}
		text += " " + a.Value.String()
	}
	return text + failure
}
