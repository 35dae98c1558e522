package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/carillon-go/carillon"
)

// watch has figures read when the metrics are collected, until stop is called.
func (t *Telemetry) watch(read func(ctx context.Context) []carillon.Reading) (stop func(), err error) {
	gauges := make(map[carillon.ReadingKind]metric.Int64Observable)
	var all []metric.Observable
	var failed []error
	for _, g := range []struct {
		kind                    carillon.ReadingKind
		name, unit, description string
	}{
		{carillon.ReadingLag, metricLag, "{event}", "How many events the log is ahead of a projection, reactor or forwarder."},
		{carillon.ReadingOutbox, metricOutbox, "{message}", "How many messages the store holds that the relay has not passed on."},
		{carillon.ReadingBacklog, metricBacklog, "{message}", "How many messages a consumer has not settled."},
		{carillon.ReadingParkedKeys, metricParked, "{key}", "How many keys are parked."},
		{carillon.ReadingDeadLetters, metricLetters, "{message}", "How many messages or events are parked."},
		{carillon.ReadingBreaker, metricBreaker, "1", "1 for the state that a circuit breaker is in, 0 for the others."},
	} {
		gauge, err := t.meter.Int64ObservableGauge(g.name, metric.WithUnit(g.unit), metric.WithDescription(g.description))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		gauges[g.kind] = gauge
		all = append(all, gauge)
	}
	registered, err := t.meter.RegisterCallback(func(ctx context.Context, observer metric.Observer) error {
		for _, reading := range read(ctx) {
			if gauge, ok := gauges[reading.Kind]; ok {
				observer.ObserveInt64(gauge, reading.Value, metric.WithAttributes(attributesOf(&reading)...))
			}
		}
		return nil
	}, all...)
	if err != nil {
		return func() {}, errors.Join(append(failed, err)...)
	}
	return func() { _ = registered.Unregister() }, errors.Join(failed...) // nobody is left to tell
}

// attributesOf are the attributes of a figure: names alone.
func attributesOf(r *carillon.Reading) []attribute.KeyValue {
	switch {
	case r.Kind == carillon.ReadingBreaker:
		return []attribute.KeyValue{breakerName.String(r.Name), breakerState.String(r.State)}
	case r.Kind == carillon.ReadingOutbox:
		return []attribute.KeyValue{messagingDestination.String(r.Name)}
	case r.Topic != "":
		return []attribute.KeyValue{messagingDestination.String(r.Topic), messagingGroup.String(r.Name)}
	default:
		return []attribute.KeyValue{projectionName.String(r.Name)}
	}
}
