package app_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/projection"
)

// TestAServiceStopsInOrder: the service is told to stop while a request is under way, which then sends a command, waits for the
// read model and asks it. After the servers the projections finish, and the store closes last.
func TestAServiceStopsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, model := &opener{}, values()
		reactor := projection.React("mails", projection.FromBeginning(), projection.Handle("counter.advanced",
			func(ctx context.Context, _ carillon.Recorded, _ advanced) error {
				<-time.After(3 * time.Second)
				o.note("effect")
				return ctx.Err()
			}))
		_, stop := start(t, app.New(o, counters(), model, valueQuery(model), reactor,
			server{"slow", func(ctx context.Context, running *app.Running) error {
				<-ctx.Done()
				o.note("told to stop")
				<-time.After(time.Second)
				request := context.WithoutCancel(ctx)
				done, err := running.Bus.Send(request, advance{"1"})
				if err != nil {
					return err
				}
				if err := running.Projections.Wait(request, "values", done.Last); err != nil {
					return err
				}
				got, err := cqrs.Ask[int](request, running.Bus, valueOf{"1"})
				if err != nil || got != 1 {
					return errors.Join(err, errors.New("the read model does not have the command's event"))
				}
				o.note("request finished")
				<-time.After(time.Second) // the effect is under way
				return nil
			}},
			server{"quick", func(ctx context.Context, _ *app.Running) error {
				<-ctx.Done()
				return nil
			}}))
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
		want := []string{"open", "told to stop", "request finished", "effect", "close"}
		if diff := cmp.Diff(want, o.did); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// TestAServerThatFails ends the service with its error, in order.
func TestAServerThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &opener{}
		service := app.New(o, counters(), values(),
			server{"broken", func(context.Context, *app.Running) error {
				<-time.After(time.Second)
				return errBroken
			}},
			server{"sound", func(ctx context.Context, _ *app.Running) error {
				<-ctx.Done()
				o.note("sound server stopped")
				return nil
			}})
		if err := service.Run(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("error %v, want that of the server", err)
		}
		if diff := cmp.Diff([]string{"open", "sound server stopped", "close"}, o.did); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// TestServersThatEndEarly: one that has nothing more to do does not end the service, and one that fails while it is stopped does
// not spoil its end.
func TestServersThatEndEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		running, stop := start(t, app.New(&opener{}, counters(),
			server{"done", func(context.Context, *app.Running) error { return nil }},
			server{"hasty", func(ctx context.Context, _ *app.Running) error {
				<-ctx.Done()
				return ctx.Err()
			}}))
		synctest.Wait()
		if _, err := running.Bus.Send(t.Context(), advance{"1"}); err != nil {
			t.Errorf("after a server has ended: %v", err)
		}
		if err := stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}
