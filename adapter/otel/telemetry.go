package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillon-go/carillon"
)

// Telemetry is a part of a service: its [carillon.Observer]. It may be shared with what is made outside the service, such as a circuit
// breaker. It is safe for concurrent use.
type Telemetry struct {
	tracer      trace.Tracer
	meter       metric.Meter
	instruments instruments
	err         error // of making the instruments
	texts       bool
}

// Option changes a default of [Instrument].
type Option func(*Telemetry)

// ErrorTexts has spans say the texts of errors, which may quote what messages and requests say. Default: spans say the kind of an error
// alone.
func ErrorTexts() Option { return func(t *Telemetry) { t.texts = true } }

// Instrument makes traces and metrics through two providers; nil for none of either.
func Instrument(traces trace.TracerProvider, metrics metric.MeterProvider, options ...Option) *Telemetry {
	t := &Telemetry{}
	if traces != nil {
		t.tracer = traces.Tracer(scope)
	}
	if metrics != nil {
		t.meter = metrics.Meter(scope)
		t.instruments, t.err = newInstruments(t.meter)
	}
	for _, option := range options {
		option(t)
	}
	return t
}

// Describe describes the part.
func (t *Telemetry) Describe() carillon.Description {
	return carillon.Description{Kind: "observer", Name: "opentelemetry"}
}

// Watch has figures read when the metrics are collected. The error says what the meter provider could not make.
func (t *Telemetry) Watch(read func(ctx context.Context) []carillon.Reading) (stop func(), err error) {
	if t.meter == nil {
		return func() {}, nil
	}
	stop, err = t.watch(read)
	return stop, errors.Join(t.err, err)
}
