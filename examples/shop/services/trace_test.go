package services_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/otel"
	"github.com/carillon-go/carillon/adapter/redisstream"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/internal/backends"
)

// The trace context that the customer's request comes with.
const (
	customersTrace  = "0af7651916cd43dd8448eb211c80319c"
	customersSpan   = "b7ad6b7169203331"
	customersParent = "00-" + customersTrace + "-" + customersSpan + "-01"
)

// spans are what services have exported.
type spans struct{ *tracetest.InMemoryExporter }

func newSpans() spans { return spans{tracetest.NewInMemoryExporter()} }

// of is a part that exports a service's spans.
func (s spans) of(t *testing.T) carillon.Describer {
	t.Helper()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(s.InMemoryExporter))
	return otel.Instrument(provider, nil)
}

// within lists the spans of the customer's trace, each with its parent, in order of name.
func (s spans) within() (lines []string) {
	all := s.GetSpans()
	names := map[string]string{customersSpan: "the customer"}
	for i := range all {
		names[all[i].SpanContext.SpanID().String()] = title(&all[i])
	}
	for i := range all {
		if all[i].SpanContext.TraceID().String() == customersTrace {
			lines = append(lines, title(&all[i])+" < "+cmp.Or(names[all[i].Parent.SpanID().String()], "nobody"))
		}
	}
	slices.Sort(lines)
	return lines
}

// title is a span's name with its kind, and who it is that does it where there may be several.
func title(span *tracetest.SpanStub) string {
	title := span.SpanKind.String() + " " + span.Name
	for _, key := range []attribute.Key{"messaging.consumer.group.name", "messaging.system"} {
		for _, a := range span.Attributes {
			if a.Key == key && (key != "messaging.system" || strings.HasPrefix(span.Name, "send")) {
				title += " by " + a.Value.AsString()
			}
		}
	}
	return title
}

// order places one order over HTTP and waits until the last service has handled it, and everything that was begun has ended.
func order(t *testing.T, exported spans, all ...*app.Running) {
	t.Helper()
	handler, err := shop.Handler(all[0])
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/api/orders",
		strings.NewReader(`{"id":"1","country":"France","lines":[{"stock_code":"A","quantity":1,"unit_price":"25.00"}]}`))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", customersParent)
	request.Header.Set("Tracestate", "customer=1")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusCreated {
		t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	await(t, services.Progress{Payments: 1, Paid: 25_000, Shipments: 1, Reservations: 1, Units: 1, Notifications: 1}, all...)
	last := func(span tracetest.SpanStub) bool { return span.Name == "process shipments" }
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for !slices.ContainsFunc(exported.GetSpans(), last) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the last consumer has no span; there are %v", exported.within())
		}
	}
}

// together runs all services in one process on a store.
func together(t *testing.T, exported spans, store carillon.Opener) {
	t.Helper()
	service, _ := shop.New(store, "", append(services.All(services.NewTopics()), exported.of(t), app.LogTo(slog.New(slog.DiscardHandler)))...)
	order(t, exported, run(t, service))
}

// apart runs each service on a store and with telemetry of its own, with a broker between them.
func apart(t *testing.T, exported spans, between carillon.BrokerOpener) {
	t.Helper()
	var all []*app.Running
	for _, name := range services.Names() {
		topics := services.NewTopics()
		settings := []carillon.Describer{app.Over(between), exported.of(t), app.LogTo(slog.New(slog.DiscardHandler))}
		store := sqlite.File(filepath.Join(t.TempDir(), name+".db"))
		if name == "orders" {
			service, _ := shop.New(store, "", append(settings, services.Beside(topics)...)...)
			all = append(all, run(t, service))
			continue
		}
		parts, err := services.Of(name, topics)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, run(t, app.New(store, append(parts, settings...)...)))
	}
	order(t, exported, all...)
}

// wholeTrace is the trace of one order, from the request to the last consumer. Messages go to the store's topics, and from there through
// a broker where there is one.
func wholeTrace(store, broker string) []string {
	lines := []string{
		"server POST /api/orders < the customer",
		"internal order.place < server POST /api/orders",
		"internal append < internal order.place",
		"producer publish orders < internal order.place",
		"consumer process orders by inventory < producer publish orders",
		"consumer process orders by payments < producer publish orders",
		"internal payment.take < consumer process orders by payments",
		"internal append < internal payment.take",
		"producer publish payments < internal payment.take",
		"consumer process payments by shipping < producer publish payments",
		"internal order.ship < consumer process payments by shipping",
		"internal append < internal order.ship",
		"producer publish shipments < internal order.ship",
		"consumer process shipments by notifications < producer publish shipments",
	}
	for _, topic := range []string{"orders", "payments", "shipments"} {
		lines = append(lines, fmt.Sprintf("client send %s by %s < producer publish %s", topic, store, topic))
		if broker != "" {
			lines = append(lines, fmt.Sprintf("client send %s by %s < producer publish %s", topic, broker, topic))
		}
	}
	slices.Sort(lines)
	return lines
}

// TestOneTrace follows one order from the customer's request to the last consumer: it is one trace, whatever store and broker there are.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	prefix := func() string { return "test-" + strings.ToLower(rand.Text()[:12]) }
	for _, test := range []struct {
		name string
		run  func(t *testing.T, exported spans)
		want []string
	}{
		{"memory", func(t *testing.T, exported spans) { t.Helper(); together(t, exported, memory.Volatile()) }, wholeTrace("memory", "")},
		{"SQLite", func(t *testing.T, exported spans) {
			t.Helper()
			together(t, exported, sqlite.File(filepath.Join(t.TempDir(), "shop.db")))
		}, wholeTrace("sqlite", "")},
		{"apart", func(t *testing.T, exported spans) { t.Helper(); apart(t, exported, memory.Volatile()) }, wholeTrace("sqlite", "memory")},
		{"NATS", func(t *testing.T, exported spans) {
			t.Helper()
			apart(t, exported, jetstream.Server(backends.Variable(t, backends.NATS), jetstream.Prefix(prefix())))
		}, wholeTrace("sqlite", "nats_jetstream")},
		{"Redis", func(t *testing.T, exported spans) {
			t.Helper()
			apart(t, exported, redisstream.Server(backends.Variable(t, backends.Redis), redisstream.Prefix(prefix())))
		}, wholeTrace("sqlite", "redis_streams")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			exported := newSpans()
			test.run(t, exported)
			if diff := gocmp.Diff(test.want, exported.within()); diff != "" {
				t.Errorf("the trace (-want +got):\n%s", diff)
			}
			checkLinks(t, exported)
		})
	}
}

// checkLinks checks that read models are in no customer's trace, and linked to it.
func checkLinks(t *testing.T, exported spans) {
	t.Helper()
	linked := 0
	for _, span := range exported.GetSpans() {
		if !strings.HasPrefix(span.Name, "project ") {
			continue
		}
		if span.SpanContext.TraceID().String() == customersTrace {
			t.Errorf("%s is in the customer's trace", span.Name)
		}
		for _, link := range span.Links {
			if link.SpanContext.TraceID().String() == customersTrace {
				linked++
			}
		}
	}
	if linked == 0 {
		t.Error("no read model is linked to the customer's trace")
	}
}

// forgetful is a broker that loses the trace context of messages.
type forgetful struct{ carillon.BrokerOpener }

func (f forgetful) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	broker, err := f.BrokerOpener.OpenBroker(ctx)
	return forgetfulBroker{broker}, err
}

type forgetfulBroker struct{ carillon.Broker }

func (b forgetfulBroker) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	messages = slices.Clone(messages)
	for i := range messages {
		messages[i].SetTrace(carillon.Trace{})
	}
	return b.Broker.Publish(ctx, topic, messages)
}

// TestATraceBreaksWithoutItsContext is the control of [TestOneTrace]: where a broker loses the context, the trace ends.
func TestATraceBreaksWithoutItsContext(t *testing.T) {
	t.Parallel()
	exported := newSpans()
	apart(t, exported, forgetful{memory.Volatile()})
	want := []string{
		"client send orders by memory < producer publish orders",
		"client send orders by sqlite < producer publish orders",
		"internal append < internal order.place",
		"internal order.place < server POST /api/orders",
		"producer publish orders < internal order.place",
		"server POST /api/orders < the customer",
	}
	if diff := gocmp.Diff(want, exported.within()); diff != "" {
		t.Errorf("the trace (-want +got):\n%s", diff)
	}
}
