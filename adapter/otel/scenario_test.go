package otel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/otel"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/middleware"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
	"github.com/carillon-go/carillon/sourcing"
)

// The service that the tests observe: notes are jotted down, copied and filed.
type (
	jot struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	}
	jotted struct{ ID, Text string }
	file   struct{ ID string }
	filed  struct{ ID string }
	copied struct{ Text string }
	textOf struct {
		ID string `json:"id"`
	}
)

func (c jot) Key() string    { return c.ID }
func (c file) Key() string   { return c.ID }
func (e jotted) Key() string { return e.ID }

// secret is in payloads and errors, and must not be told.
const secret = "between-you-and-me"

var errIllegible = errors.New("illegible: " + secret)

// notes are the service's parts, with what it serves.
func notes() (parts []carillon.Describer, served []rest.Part) {
	topic := messaging.NewTopic("notes", messaging.Event[jotted]("note.jotted"))
	copies := messaging.NewTopic("copies", messaging.Document[copied]("note.copy"))
	texts := projection.Keyed("texts", projection.On("note.jotted", func(_ string, e jotted) string { return e.Text }))
	parts = []carillon.Describer{
		sourcing.Aggregate("note",
			sourcing.On("note.jotted", func(n int, _ jotted) int { return n + 1 }),
			sourcing.Decide("note.jot", jot.Key, func(n int, c jot) ([]carillon.Event, error) {
				if n > 0 {
					return nil, carillon.Rejectf("there is one: %s", c.Text)
				}
				return carillon.Events(jotted(c)), nil
			})),
		sourcing.Aggregate("cabinet",
			sourcing.On("note.filed", func(n int, _ filed) int { return n + 1 }),
			sourcing.Decide("note.file", file.Key, func(_ int, c file) ([]carillon.Event, error) { return carillon.Events(filed(c)), nil })),
		texts,
		projection.Query("note.text", texts, func(ctx context.Context, view projection.View[string], q textOf) (string, error) {
			entry, err := view.Get(ctx, q.ID)
			if errors.Is(err, carillon.ErrNotFound) {
				err = errIllegible
			}
			return entry.State, err
		}),
		projection.React("mailer", projection.FromBeginning(),
			projection.Handle("note.jotted", func(context.Context, carillon.Recorded, jotted) error { return nil })),
		messaging.Forward(topic), copies,
		messaging.Consume("copier", topic, messaging.On(func(_ context.Context, tx *messaging.Tx, e jotted) error {
			return tx.Publish(copies, copied{e.Text})
		})),
		messaging.Consume("filing", topic, messaging.Send(func(e jotted) any { return file{e.ID} })),
		messaging.Consume("reader", copies, messaging.Retry(consume.Retry{Attempts: 1}),
			messaging.On(func(context.Context, *messaging.Tx, copied) error { return errIllegible })),
		app.Over(memory.Volatile()), app.LogTo(slog.New(slog.DiscardHandler)),
	}
	return parts, []rest.Part{rest.Command[jot]("POST /notes"), rest.Query[textOf]("GET /notes/{id}")}
}

// observed is what a service has told.
type observed struct {
	spans   *tracetest.InMemoryExporter
	metrics metricdata.ResourceMetrics
}

// scenario runs the service with a number of notes, and asks for everything it can do.
func scenario(t *testing.T, count int, options ...otel.Option) (all observed) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		all.spans = tracetest.NewInMemoryExporter()
		telemetry := otel.Instrument(sdktrace.NewTracerProvider(sdktrace.WithSyncer(all.spans)),
			sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), options...)
		middleware.NewBreaker("printer", middleware.WithObserver(telemetry))
		parts, served := notes()
		service := app.New(memory.Volatile(), append(parts, telemetry)...)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- service.Run(ctx) }()
		running, err := service.Running(ctx)
		if err != nil {
			t.Fatal(err)
		}
		handler, err := rest.Handler(running, served...)
		if err != nil {
			t.Fatal(err)
		}
		if err := running.Messages.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range count {
			body := fmt.Sprintf(`{"id":"note-%d","text":"%s"}`, i, secret)
			ask(t, handler, 201, http.MethodPost, "/notes", body)
			elapse(time.Minute)
			ask(t, handler, 409, http.MethodPost, "/notes", body)
			ask(t, handler, 200, http.MethodGet, fmt.Sprint("/notes/note-", i), "")
			ask(t, handler, 500, http.MethodGet, "/notes/none", "")
		}
		appendTogether(t, running, count)
		elapse(time.Minute)
		retryAll(t, running.Store, "reader")
		elapse(time.Minute)
		if err := reader.Collect(ctx, &all.metrics); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
	return all
}

// elapse lets the bubble's time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// ask makes a request.
func ask(t *testing.T, handler http.Handler, want int, method, path, body string) {
	t.Helper()
	request := httptest.NewRequest(method, path, bytes.NewBufferString(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code != want {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, answer.Code, want, answer.Body)
	}
}

// together is how many notes are appended at once: the relay spreads them over two lanes by their keys, and one has three at least.
const together = 5

// appendTogether appends several events at once, so that they are passed on and handled in batches, and then what conflicts with them.
func appendTogether(t *testing.T, running *app.Running, count int) {
	t.Helper()
	var events []carillon.Message
	for i := range together {
		events = append(events, carillon.Message{
			Type: "note.jotted", Key: fmt.Sprintf("more-%d-%d", count, i), Payload: []byte(`{"ID":"more","Text":"` + secret + `"}`),
			TraceParent: fmt.Sprintf("00-0af7651916cd43dd8448eb211c8031%02d-b7ad6b7169203331-01", i),
		})
	}
	batch := carillon.Append{Stream: "together", Expect: carillon.NoStream(), Events: events}
	if _, err := running.Log.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	elapse(time.Minute)
	if _, err := running.Log.Append(t.Context(), batch); !errors.Is(err, carillon.ErrConflict) {
		t.Fatalf("error %v, want a conflict", err)
	}
}

// retryAll asks for another try of everything that a consumer has parked.
func retryAll(t *testing.T, store carillon.Store, consumer string) {
	t.Helper()
	letters := store.(carillon.DeadLetterStore).DeadLetters()
	keys, err := letters.Keys(t.Context(), consumer)
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d keys are parked, error %v", len(keys), err)
	}
	for _, key := range keys {
		if err := letters.Retry(t.Context(), consumer, key.Key); err != nil {
			t.Fatal(err)
		}
	}
}

// named returns the spans of a name.
func (o observed) named(name string) tracetest.SpanStubs {
	return slices.DeleteFunc(o.spans.GetSpans(), func(span tracetest.SpanStub) bool { return span.Name != name })
}

// text is all that the spans and the metrics say.
func (o observed) text() string {
	var text strings.Builder
	for _, span := range o.spans.GetSpans() {
		fmt.Fprintln(&text, span.Name, span.Status, span.SpanContext.TraceState(), len(span.Events))
		for _, a := range span.Attributes {
			fmt.Fprintln(&text, a.Key, a.Value.String())
		}
		for _, event := range span.Events {
			fmt.Fprintln(&text, event.Name, event.Attributes)
		}
	}
	fmt.Fprintf(&text, "%+v", o.metrics)
	return text.String()
}
