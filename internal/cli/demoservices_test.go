package cli

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/internal/backends"
)

// TestMain is the program itself for the services that the demo runs in processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "demo" && os.Args[2] == "--service" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// brokersOfServices are the brokers that the services are tested with, each with what gives the URL of a part of it that nobody else uses.
func brokersOfServices() map[string]func(*testing.T) string {
	prefixed := func(scheme, variable string) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			return scheme + backends.Variable(t, variable) + "?prefix=" + unusedPrefix()
		}
	}
	return map[string]func(*testing.T) string{
		"nats":  prefixed("", backends.NATS),
		"kafka": prefixed("kafka://", backends.Kafka),
		"amqp":  prefixed("", backends.RabbitMQ),
		"redis": prefixed("", backends.Redis),
		"postgres": func(t *testing.T) string {
			t.Helper()
			url := backends.Variable(t, backends.Postgres)
			schema := backends.Schema(t, url)
			return url + map[bool]string{true: "&", false: "?"}[strings.Contains(url, "?")] + "prefix=" + schema
		},
	}
}

// unusedPrefix tells a test from all others on a broker.
func unusedPrefix() string { return "test-" + strings.ToLower(rand.Text()[:12]) }

// TestServices runs the services in one process, on the store's topics: every order is paid, shipped and told of once, also when the same
// is imported again.
func TestServices(t *testing.T) {
	t.Parallel()
	content, totals := generate(t, 300)
	file := writeFile(t, t.TempDir()+"/retail.csv", content)
	for name, empty := range emptyStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := empty(t)
			for range 2 {
				got := run(t, "demo", "--services", "--addr", "127.0.0.1:0", "--store", store, "--import", file, "--exit", "--json",
					"--rejects", t.TempDir()+"/rejects.csv")
				if got.status != StatusOK {
					t.Fatalf("status %d: %s", got.status, got.stderr)
				}
				checkServices(t, lastLine(t, got.stdout), int64(totals.Orders))
			}
		})
	}
}

// TestServicesInProcesses runs each service in a process of its own, with real brokers between them: payments and shipments match the orders
// one to one.
func TestServicesInProcesses(t *testing.T) {
	t.Parallel()
	content, totals := generate(t, 300)
	file := writeFile(t, t.TempDir()+"/retail.csv", content)
	for name, broker := range brokersOfServices() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			got := run(t, demoArgs(directory, file, "--processes", "--broker", broker(t), "--exit", "--json")...)
			if got.status != StatusOK {
				t.Fatalf("status %d: %s", got.status, got.stderr)
			}
			checkServices(t, lastLine(t, got.stdout), int64(totals.Orders))
			orders := keysOf(t, filepath.Join(directory, "shop.db"), "order.placed")
			for file, event := range map[string]string{"payments.db": "payment.made", "shipping.db": "order.shipped"} {
				if diff := cmp.Diff(orders, keysOf(t, filepath.Join(directory, file), event)); diff != "" {
					t.Errorf("%s against the orders: %s", event, diff)
				}
			}
		})
	}
}

// keysOf lists the keys of all events of a type in a file, in order.
func keysOf(t *testing.T, path, event string) []string {
	t.Helper()
	store, err := sqlite.ReadOnly(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	page, err := store.Log().Read(t.Context(), carillon.Query{Items: []carillon.Item{{Types: []string{event}}}}, 0, 10_000)
	if err != nil || page.More {
		t.Fatalf("%s in %s: more than fits %t, %v", event, path, page.More, err)
	}
	keys := make([]string, len(page.Events))
	for i := range page.Events {
		keys[i] = page.Events[i].Key
	}
	slices.Sort(keys)
	return keys
}

func checkServices(t *testing.T, s summary, orders int64) {
	t.Helper()
	if s.Services == nil || s.Services.Paid == 0 || s.Services.Units == 0 {
		t.Fatalf("the services have come to %+v", s.Services)
	}
	want := services.Progress{Payments: orders, Shipments: orders, Reservations: orders, Notifications: orders, Paid: s.Services.Paid, Units: s.Services.Units}
	if diff := cmp.Diff(want, *s.Services); diff != "" {
		t.Error(diff)
	}
}

func TestServicesThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"processes without a broker":   {"demo", "--processes"},
		"services and processes":       {"demo", "--services", "--processes", "--broker", "nats://localhost"},
		"a broker for nothing":         {"demo", "--broker", "nats://localhost"},
		"a provider for nothing":       {"demo", "--payments", "http://localhost"},
		"a service nobody knows":       {"demo", "--service", "cooking"},
		"a service with an import":     {"demo", "--service", "payments", "--sample", "3"},
		"a broker of no known kind":    {"demo", "--services", "--broker", "carrier-pigeon://coop"},
		"a broker that is no URL":      {"demo", "--services", "--broker", "nats://[::1"},
		"processes on a common store":  {"demo", "--processes", "--broker", "nats://localhost", "--store", "sqlite:a.db"},
		"the shop itself as a service": {"demo", "--service", "orders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := run(t, args...); got.status != StatusUsage || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("status %d, %s", got.status, got.stderr)
			}
		})
	}
}
