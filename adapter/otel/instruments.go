package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/carillon-go/carillon"
)

// instruments record what activities come to.
type instruments struct {
	request, client, process, dispatch, append, commit, project metric.Float64Histogram
	batch                                                       metric.Int64Histogram
	sent, consumed                                              metric.Int64Counter
}

// newInstruments makes the instruments. Those that the meter cannot make record nothing.
func newInstruments(meter metric.Meter) (instruments, error) {
	var failed []error
	seconds := func(name, description string) metric.Float64Histogram {
		made, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
		if failed = append(failed, err); err != nil {
			return noop.Float64Histogram{}
		}
		return made
	}
	counter := func(name, description string) metric.Int64Counter {
		made, err := meter.Int64Counter(name, metric.WithUnit("{message}"), metric.WithDescription(description))
		if failed = append(failed, err); err != nil {
			return noop.Int64Counter{}
		}
		return made
	}
	i := instruments{
		request:  seconds(metricRequest, "Duration of HTTP server requests."),
		client:   seconds(metricClient, "Duration of messaging operations initiated by a producer or consumer client."),
		process:  seconds(metricProcess, "Duration of processing operation."),
		dispatch: seconds(metricDispatch, "Duration of handling a command or query."),
		append:   seconds(metricAppend, "Duration of an append, with the wait for its turn."),
		commit:   seconds(metricCommit, "Duration of a commit of appends."),
		project:  seconds(metricProject, "Duration of folding a batch of events, or of handling one in a reactor."),
		sent:     counter(metricSent, "Number of messages producer attempted to send to the broker."),
		consumed: counter(metricConsumed, "Number of messages that were delivered to the application."),
	}
	batch, err := meter.Int64Histogram(metricBatch, metric.WithUnit("{append}"), metric.WithDescription("Number of appends in one commit."),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096))
	i.batch = batch
	if failed = append(failed, err); err != nil {
		i.batch = noop.Int64Histogram{}
	}
	return i, errors.Join(failed...)
}

// measure returns what records an activity once it has ended; nil for nothing.
func (i *instruments) measure(ctx context.Context, a *carillon.Activity) func([]attribute.KeyValue, time.Duration) {
	if i.request == nil { // there is no meter
		return nil
	}
	lasting := func(histogram metric.Float64Histogram) func([]attribute.KeyValue, time.Duration) {
		return func(attributes []attribute.KeyValue, took time.Duration) {
			histogram.Record(ctx, took.Seconds(), metric.WithAttributes(attributes...))
		}
	}
	switch a.Kind {
	case carillon.ActivityRequest:
		return lasting(i.request)
	case carillon.ActivityCommand, carillon.ActivityQuery:
		return lasting(i.dispatch)
	case carillon.ActivityAppend:
		return lasting(i.append)
	case carillon.ActivityCommit:
		return func(attributes []attribute.KeyValue, took time.Duration) {
			i.commit.Record(ctx, took.Seconds(), metric.WithAttributes(attributes...))
			i.batch.Record(ctx, int64(a.Count), metric.WithAttributes(attributes...))
		}
	case carillon.ActivitySend:
		return func(attributes []attribute.KeyValue, took time.Duration) {
			i.client.Record(ctx, took.Seconds(), metric.WithAttributes(attributes...))
			i.sent.Add(ctx, int64(a.Count), metric.WithAttributes(attributes...))
		}
	case carillon.ActivityReceive:
		return func(attributes []attribute.KeyValue, _ time.Duration) {
			i.consumed.Add(ctx, int64(a.Count), metric.WithAttributes(attributes...))
		}
	case carillon.ActivitySettle:
		return lasting(i.client)
	case carillon.ActivityProcess:
		return lasting(i.process)
	case carillon.ActivityProject, carillon.ActivityReact:
		return lasting(i.project)
	default:
		return nil
	}
}
