// Package otel makes traces and metrics of what a service does, through the API of OpenTelemetry:
//
//	shop := app.New(sqlite.File("shop.db"), parts, otel.Instrument(tracerProvider, meterProvider))
//
// What becomes of them, such as an exporter, a sampler or a view, is the providers' business: the program makes them with the SDK of
// OpenTelemetry, and shuts them down after the service. This package imports the API alone and uses no global provider.
//
// A message carries the W3C trace context of its own making, so that one trace leads from an HTTP request to the last consumer, through any
// store and broker. Batches, read models, reactors and retries of parked messages are linked to the traces their messages come from.
// docs/howto/observability.md lists every span and metric.
//
// Guarantees. No payload, header or text of an error is in a span, unless [ErrorTexts] asks for the last of these. Attributes of metrics
// are names that the program itself gives: routes, types, topics, consumers, projections, breakers; never an id. Trace context that is not
// valid is left out, and nothing fails because of it. Baggage is not carried on.
package otel
