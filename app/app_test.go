package app_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

var errBroken = errors.New("broken")

// The service most tests run: counters that can be advanced, and a read model of them.
type (
	advance  struct{ ID string }
	advanced struct{}
	other    struct{}
	valueOf  struct{ ID string }
)

func advanceOne(n int, _ advanced) int { return n + 1 }

func decideAdvance(n int, c advance) ([]carillon.Event, error) {
	if n == 3 {
		return nil, carillon.Rejectf("counter %s is at its end", c.ID)
	}
	return carillon.Events(advanced{}), nil
}

func counters() *sourcing.Decider[int] {
	return sourcing.Aggregate("counter",
		sourcing.On("counter.advanced", advanceOne),
		sourcing.Decide("counter.advance", func(c advance) string { return c.ID }, decideAdvance))
}

func values() *projection.Model[int] {
	return projection.Keyed("values", projection.On("counter.advanced", advanceOne))
}

func valueQuery(model *projection.Model[int]) *projection.Answer {
	return projection.Query("value", model, func(ctx context.Context, view projection.View[int], q valueOf) (int, error) {
		entry, err := view.Get(ctx, q.ID)
		return entry.State, err
	})
}

// opener opens a store in memory, or fails, and writes down what is done to it.
type opener struct {
	fail error
	mu   sync.Mutex
	did  []string
}

func (o *opener) note(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.did = append(o.did, what)
}

func (o *opener) Open(ctx context.Context) (carillon.Store, error) {
	if o.fail != nil {
		return nil, o.fail
	}
	o.note("open")
	store, err := memory.Volatile().Open(ctx)
	return &noted{store, o}, err
}

type noted struct {
	carillon.Store
	opener *opener
}

func (n *noted) Close() error {
	n.opener.note("close")
	return n.Store.Close()
}

// server is a part that does what a test says.
type server struct {
	name  string
	serve func(ctx context.Context, running *app.Running) error
}

func (s server) Describe() carillon.Description {
	return carillon.Description{Kind: "server", Name: s.name}
}

func (s server) Serve(ctx context.Context, running *app.Running) error { return s.serve(ctx, running) }

// start runs a service until stop is called or the test ends; stop returns what Run returned.
func start(t testing.TB, service *app.App) (running *app.Running, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	running, err := service.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return running, stop
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := values()
		running, stop := start(t, app.New(memory.Volatile(), counters(), model, valueQuery(model)))
		for want := range 3 {
			done, err := running.Bus.Send(t.Context(), advance{"1"})
			if err != nil {
				t.Fatal(err)
			}
			if err := running.Projections.Wait(t.Context(), "values", done.Last); err != nil {
				t.Fatal(err)
			}
			if got, err := cqrs.Ask[int](t.Context(), running.Bus, valueOf{"1"}); got != want+1 || err != nil {
				t.Errorf("value %d, error %v, want %d", got, err, want+1)
			}
		}
		if _, err := running.Bus.Send(t.Context(), advance{"1"}); !errors.Is(err, carillon.ErrRejected) {
			t.Errorf("error %v, want a rejection", err)
		}
		if at, err := running.Log.Head(t.Context()); at != 3 || err != nil {
			t.Errorf("head %d, error %v", at, err)
		}
		if err := stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
		if _, err := running.Bus.Send(t.Context(), advance{"2"}); !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("a command after the end: %v", err)
		}
	})
}

func TestAServiceThatCannotStart(t *testing.T) {
	t.Parallel()
	clash := sourcing.Aggregate("other", sourcing.On("counter.advanced", func(n int, _ other) int { return n }))
	rival := sourcing.Aggregate("rival", sourcing.Decide("counter.advance", func(other) string { return "1" },
		func(int, other) ([]carillon.Event, error) { return nil, nil }))
	handler := func(context.Context, *carillon.Message, advance) (carillon.Appended, error) {
		return carillon.Appended{}, nil
	}
	tables := projection.SQL("tables", "", projection.Write("counter.advanced",
		func(context.Context, carillon.SQLExecutor, carillon.Recorded, advanced) error { return nil }))
	tests := []struct {
		name  string
		parts []carillon.Describer
		want  error
		says  string
	}{
		{"a decider with a mistake", []carillon.Describer{sourcing.Aggregate[int]("1")}, carillon.ErrInvalid, `decider "1"`},
		{"a projection with a mistake", []carillon.Describer{projection.Keyed[int]("empty")}, carillon.ErrInvalid, `projection "empty"`},
		{"a reactor without a start", []carillon.Describer{projection.React("mails", projection.Start{})}, carillon.ErrInvalid, "it says where it starts"},
		{"two deciders of one name", []carillon.Describer{counters(), sourcing.Aggregate[int]("counter")}, carillon.ErrInvalid, `decider "counter": its name is taken`},
		{"two aggregates that could share a stream", []carillon.Describer{sourcing.Aggregate[int]("counter-a"), sourcing.Aggregate[int]("counter")}, carillon.ErrInvalid, `decider "counter": its streams could be those of aggregate "counter-a"`},
		{"two projections of one name", []carillon.Describer{values(), values()}, carillon.ErrInvalid, `projection "values": its name is taken`},
		{"two deciders of one command", []carillon.Describer{counters(), rival}, carillon.ErrInvalid, `command "counter.advance": it has exactly one handler`},
		{"two handlers of one command", []carillon.Describer{counters(), cqrs.Command("counter.advance", handler)}, carillon.ErrInvalid, "exactly one handler"},
		{"a command under two names", []carillon.Describer{counters(), cqrs.Command("advance", handler)}, carillon.ErrInvalid, "its Go type app_test.advance"},
		{"an event of two types", []carillon.Describer{counters(), clash}, carillon.ErrInvalid, `event "counter.advanced": it is a app_test.advanced in one decider`},
		{"tables in a store without any", []carillon.Describer{tables}, carillon.ErrUnsupported, `projection "tables"`},
		{"a query of such tables", []carillon.Describer{projection.QuerySQL[int, int]("q", tables, nil)}, carillon.ErrUnsupported, `projection "tables"`},
		{"a part of no kind", []carillon.Describer{memory.Volatile()}, carillon.ErrInvalid, "part *memory.Store"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := &opener{}
			service := app.New(o, test.parts...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // should it start
			defer cancel()
			err := service.Run(ctx)
			if err == nil || !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %v that says %q", err, test.want, test.says)
			}
			if running, again := service.Running(t.Context()); running != nil || again == nil || again.Error() != err.Error() {
				t.Errorf("running %v, error %v, want the one it failed with", running, again)
			}
			if diff := cmp.Diff([]string{"open", "close"}, o.did); diff != "" {
				t.Errorf("what became of the store (-want +got):\n%s", diff)
			}
		})
	}
	service := app.New(&opener{fail: errBroken}, counters())
	if err := service.Run(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("a store that cannot be opened: %v", err)
	}
	if _, err := service.Running(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("asked again: %v", err)
	}
}

func TestItRunsOnce(t *testing.T) {
	t.Parallel()
	service := app.New(memory.Volatile(), counters())
	_, stop := start(t, service)
	if err := service.Run(t.Context()); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("while it runs: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := service.Run(t.Context()); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("after it ran: %v", err)
	}
}

// TestRunningWaits asks for a service before it is started.
func TestRunningWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := app.New(memory.Volatile(), counters())
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if running, err := service.Running(hasty); running != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("running %v, error %v", running, err)
		}
		got := make(chan *app.Running)
		go func() {
			running, _ := service.Running(t.Context())
			got <- running
		}()
		synctest.Wait()
		want, stop := start(t, service)
		if running := <-got; running == nil || running != want {
			t.Errorf("running %p, want %p", running, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if running, err := service.Running(t.Context()); running != want || err != nil {
			t.Errorf("after its end: running %p, error %v", running, err)
		}
	})
}

type ask struct{ Name string }

func (a ask) Validate() error {
	if a.Name == "" {
		return errBroken
	}
	return nil
}

// TestMiddleware stands inside the built-in ones, which recover panics, pass on correlation and validate.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	var seen []string
	note := func(name string) carillon.Describer {
		return app.Use(func(next carillon.Handler) carillon.Handler {
			return func(ctx context.Context, message *carillon.Message) (any, error) {
				seen = append(seen, name+" "+message.Type)
				return next(ctx, message)
			}
		})
	}
	running, _ := start(t, app.New(memory.Volatile(), note("first"), counters(), note("second"),
		cqrs.Query("ask", func(ctx context.Context, q ask) (string, error) {
			if q.Name == "panic" {
				panic("asked to")
			}
			_, err := runningIn(ctx).Bus.Send(ctx, advance{"1"}, cqrs.CauseFrom(ctx))
			return "hello " + q.Name, err
		})))
	ctx := context.WithValue(t.Context(), runningKey{}, running)
	if got, err := cqrs.Ask[string](ctx, running.Bus, ask{"Ann"}); got != "hello Ann" || err != nil {
		t.Errorf("answer %q, error %v", got, err)
	}
	if diff := cmp.Diff([]string{"first ask", "second ask", "first counter.advance", "second counter.advance"}, seen); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	events, err := running.Log.ReadStream(ctx, "counter-1", 0, 1)
	if err != nil || len(events) != 1 || events[0].CorrelationID == events[0].CausationID {
		t.Errorf("events %+v, error %v, want one with the query's correlation id", events, err)
	}
	if _, err := cqrs.Ask[string](ctx, running.Bus, ask{"panic"}); !isPanic(err) {
		t.Errorf("error %v, want a panic", err)
	}
	seen = nil
	if _, err := cqrs.Ask[string](ctx, running.Bus, ask{}); !errors.Is(err, carillon.ErrInvalid) || !errors.Is(err, errBroken) || seen != nil {
		t.Errorf("error %v after %q, want one of validation, before any other middleware", err, seen)
	}
}

type runningKey struct{}

func runningIn(ctx context.Context) *app.Running { return ctx.Value(runningKey{}).(*app.Running) }

func isPanic(err error) bool {
	_, ok := errors.AsType[*cqrs.PanicError](err)
	return ok
}

func TestLogTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		broken := projection.Keyed("values", projection.On("counter.advanced", func(int, advanced) int { panic("cannot count") }))
		running, stop := start(t, app.New(memory.Volatile(), counters(), broken, app.LogTo(slog.New(slog.NewTextHandler(&out, nil)))))
		if _, err := running.Bus.Send(t.Context(), advance{"1"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), "event parked") || !strings.Contains(out.String(), "cannot count") {
			t.Errorf("it logged\n%s", &out)
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	model := values()
	service := app.New(memory.Volatile(), counters(), model, valueQuery(model), server{"rest", nil},
		projection.React("mails", projection.FromNow()), app.Use())
	want := carillon.Description{Kind: "service", Name: "service", Parts: []carillon.Description{
		{Kind: "store", Name: "memory", Detail: map[string]string{"durability": "none"}},
		{Kind: "aggregate", Name: "counter", Accepts: []string{"counter.advance"}, Emits: []string{"counter.advanced"}},
		{Kind: "projection", Name: "values", Accepts: []string{"counter.advanced"}},
		{Kind: "query", Name: "value", Detail: map[string]string{"reads": "values"}},
		{Kind: "server", Name: "rest"},
		{Kind: "reactor", Name: "mails"},
	}}
	if diff := cmp.Diff(want, service.Describe()); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
	if got := app.New(&opener{}).Describe(); len(got.Parts) != 0 {
		t.Errorf("a store that does not describe itself: %+v", got)
	}
}
