package rest_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/rest"
)

type Slow struct{}

// TestStoppingFinishesRequestsUnderWay stops the service while a request is being handled.
func TestStoppingFinishesRequestsUnderWay(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	slow := cqrs.Query("slow", func(ctx context.Context, _ Slow) (string, error) {
		close(entered)
		<-leave
		return "done", ctx.Err()
	})
	server := rest.Serve("127.0.0.1:0", rest.Query[Slow]("GET /slow"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	service := app.New(memory.Volatile(), slow, server, app.LogTo(slog.New(slog.DiscardHandler)))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	address, err := server.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan reply, 1)
	go func() {
		got, err := exchange(&http.Client{Transport: &http.Transport{}}, request)
		if err != nil {
			t.Error(err)
		}
		answered <- got
	}()
	<-entered
	stop()
	for refused := false; !refused; { // until the listener is closed
		var dialer net.Dialer
		connection, err := dialer.DialContext(t.Context(), "tcp", address)
		if refused = err != nil; !refused {
			if err := connection.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("the service ended with a request under way: %v", err)
	case got := <-answered:
		t.Fatalf("answered too early: %d %s", got.status, got.body)
	default:
	}
	close(leave)
	if got := <-answered; got.status != http.StatusOK || got.body != `"done"` {
		t.Errorf("the request under way was answered %d %s", got.status, got.body)
	}
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestServerSaysWhereItListens(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	server := rest.Serve("127.0.0.1:0")
	running := *run(t, memory.Volatile())
	running.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, &running) }()
	address, err := server.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	if got := do(t, client, request); got.status != http.StatusOK {
		t.Errorf("status %d", got.status)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if !strings.Contains(log.String(), address) {
		t.Errorf("the log lacks the address %s: %s", address, log.String())
	}
	if err := server.Serve(t.Context(), &running); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("serving twice: %v", err)
	}
}

func TestAddrGivesUp(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := rest.Serve(":0").Addr(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestServersThatCannotServe(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for name, server := range map[string]*rest.Server{
		"address taken": rest.Serve(taken.Addr().String()),
		"no address":    rest.Serve("nowhere"),
		"unknown type":  rest.Serve("127.0.0.1:0", rest.Command[Open]("POST /accounts")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := app.New(memory.Volatile(), server, app.LogTo(slog.New(slog.DiscardHandler))).Run(t.Context())
			if ended == nil {
				t.Fatal("the service ran")
			}
			if _, err := server.Addr(t.Context()); err == nil || !strings.Contains(ended.Error(), err.Error()) {
				t.Errorf("Addr says %v, Run says %v", err, ended)
			}
		})
	}
}

func TestServerDescribesItself(t *testing.T) {
	t.Parallel()
	_, served := bank()
	described := rest.Serve(":8080", append(served, rest.Title("Bank"), rest.Mount("GET /{$}", http.NotFoundHandler()))...).Describe()
	var names []string
	for _, part := range described.Parts {
		names = append(names, part.Kind+" "+part.Name)
	}
	want := []string{
		"command POST /accounts", "command POST /accounts/{id}/deposits", "command DELETE /accounts/{id}",
		"row GET /accounts/{id}", "handler GET /{$}",
	}
	if described.Kind != "server" || described.Detail["address"] != ":8080" || !slices.Equal(names, want) {
		t.Errorf("description %+v", described)
	}
}

func TestHugeHeads(t *testing.T) {
	t.Parallel()
	server := rest.Serve("127.0.0.1:0")
	run(t, memory.Volatile(), server)
	address, err := server.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Padding", strings.Repeat("x", 128<<10))
	if got := do(t, &http.Client{Transport: &http.Transport{}}, request); got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", got.status)
	}
}
