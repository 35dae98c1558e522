package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/sourcing"
)

type (
	take struct {
		Account string
		Pence   int
	}
	taken   struct{ Pence int }
	account struct{ Taken int }
	balance struct{ Account string }
	owed    struct{ Pence int }
	fail    struct{ How string }
)

func (c take) Key() string { return c.Account }

func (a account) WhenTaken(e taken) account { a.Taken += e.Pence; return a }

func (a account) Take(c take) ([]carillon.Event, error) {
	if a.Taken+c.Pence > 100 {
		return nil, carillon.Rejectf("account %s has no more than %d", c.Account, 100-a.Taken)
	}
	return carillon.Events(taken{c.Pence}), nil
}

// accounts is a decider of take.
func accounts() part {
	return sourcing.Aggregate("account", sourcing.On("money.taken", account.WhenTaken), sourcing.Decide("money.take", take.Key, account.Take))
}

func requestsTopic() *messaging.Topic {
	return messaging.NewTopic("requests", messaging.Command[take]("money.take"), messaging.Query[balance, owed]("balance"),
		messaging.Query[fail, owed]("fail"))
}

func asked[Q, A any](name string, answer func(context.Context, Q) (A, error)) part {
	return cqrs.Query(name, answer)
}

// owing answers a balance with the length of the account's name, and fails as asked.
func owing() []part {
	return []part{
		asked("balance", func(_ context.Context, q balance) (owed, error) { return owed{len(q.Account)}, nil }),
		asked("fail", func(_ context.Context, q fail) (owed, error) { return owed{}, failure(q.How) }),
	}
}

func failure(how string) error {
	switch how {
	case "not found":
		return fmt.Errorf("account 7: %w", carillon.ErrNotFound)
	case "unavailable":
		return fmt.Errorf("the bank sleeps: %w", carillon.ErrUnavailable)
	case "invalid":
		return carillon.Invalidf("account", "it has a number")
	case "unknown":
		return &carillon.OutcomeUnknownError{After: 7, EventID: "e", Events: 2, Cause: errors.New("cut")}
	case "panic":
		panic("secret")
	default:
		return errors.New("secret")
	}
}

// TestTheSameDispatch sends and asks through the bus of one service what another one handles.
func TestTheSameDispatch(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, s site) {
		t.Helper()
		requests := requestsTopic()
		s.node(t, append(owing(), accounts(), messaging.Serve("bank", requests))...)
		shop, _ := s.node(t, messaging.Remote("shop", requests))

		done, err := shop.bus.Send(t.Context(), take{"ann", 60}, cqrs.WithID("first"))
		must(t, err)
		if done.First == 0 || done.Version != 1 || done.Duplicate {
			t.Errorf("a command was answered with %+v", done)
		}
		again, err := shop.bus.Send(t.Context(), take{"ann", 60}, cqrs.WithID("first"))
		must(t, err)
		done.Duplicate = true
		if diff := cmp.Diff(done, again); diff != "" {
			t.Errorf("sent again it was answered otherwise: %s", diff)
		}
		if owes, err := cqrs.Ask[owed](t.Context(), shop.bus, balance{"bob"}); err != nil || owes.Pence != 3 {
			t.Errorf("a query was answered with %v, error %v", owes, err)
		}

		_, err = shop.bus.Send(t.Context(), take{"ann", 50})
		rejected, ok := errors.AsType[*carillon.RejectedError](err)
		if !ok || rejected.Reason != "account ann has no more than 40" || !errors.Is(err, carillon.ErrRejected) || err.Error() != rejected.Reason {
			t.Errorf("a rejection came as %v", err)
		}
		_, err = shop.bus.Send(t.Context(), take{"ann", 1}, cqrs.IfVersion(7))
		if conflict, ok := errors.AsType[*carillon.ConflictError](err); !ok || conflict.Actual != 1 || conflict.Expected != 7 {
			t.Errorf("a conflict came as %v", err)
		}
		_, err = shop.bus.Send(t.Context(), take{"ann", 2}, cqrs.WithID("first"))
		if !errors.Is(err, carillon.ErrCommandReused) {
			t.Errorf("a reused id came as %v", err)
		}
		for how, want := range map[string]error{
			"not found": carillon.ErrNotFound, "unavailable": carillon.ErrUnavailable, "invalid": carillon.ErrInvalid, "unknown": carillon.ErrOutcomeUnknown,
		} {
			_, err := cqrs.Ask[owed](t.Context(), shop.bus, fail{how})
			if remote, ok := errors.AsType[*messaging.RemoteError](err); !ok || !errors.Is(err, want) || remote.Service != "bank" || remote.Detail != failure(how).Error() {
				t.Errorf("%s came as %#v", how, err)
			}
		}
		for _, how := range []string{"panic", "else"} {
			_, err := cqrs.Ask[owed](t.Context(), shop.bus, fail{how})
			if remote, ok := errors.AsType[*messaging.RemoteError](err); !ok || remote.Cause != nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s came as %#v", how, err)
			}
		}
		if counts := shop.Counts(); counts != (messaging.Counts{}) {
			t.Errorf("after all was answered: %+v", counts)
		}
	})
}

// TestTheEnvelopeTravels compares what a remote handler is given with what a local one is.
func TestTheEnvelopeTravels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, requests := inMemory(), messaging.NewTopic("requests", messaging.Command[take]("money.take"))
		var got *carillon.Message
		handle := cqrs.Command("money.take", func(_ context.Context, m *carillon.Message, _ take) (carillon.Appended, error) {
			got = m
			return carillon.Appended{First: 3, Last: 4}, nil
		})
		bank, stopBank := s.node(t, handle, messaging.Serve("bank", requests))
		shop, stopShop := s.node(t, messaging.Remote("shop", requests))
		cause := &carillon.Message{ID: "cause", CorrelationID: "all", Tenant: "north", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", TraceState: "a=b"}
		options := []cqrs.SendOption{cqrs.WithID("mine"), cqrs.CausedBy(cause), cqrs.IfVersion(4), cqrs.After(17)}
		done, err := bank.bus.Send(t.Context(), take{"ann", 1}, options...)
		must(t, err)
		local := *got
		remotely, err := shop.bus.Send(t.Context(), take{"ann", 1}, options...)
		must(t, err)
		stopShop()
		stopBank()
		if diff := cmp.Diff(&local, got); diff != "" || done != remotely {
			t.Errorf("the handler was given another message, and answered %v: %s", remotely, diff)
		}
		if got.Headers[carillon.HeaderPosition] != "17" || got.Tenant != "north" {
			t.Errorf("the message carries nothing: %+v", got)
		}
	})
}

// TestDeadlines lets callers wait in vain.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, requests := inMemory(), requestsTopic()
		slow := cqrs.Query("balance", func(context.Context, balance) (owed, error) {
			<-time.After(15 * time.Second) // it does not look at its context
			return owed{}, nil
		})
		bank, stopBank := s.node(t, slow, owing()[1], accounts(), messaging.Serve("bank", requests))
		shop, stopShop := s.node(t, messaging.Remote("shop", requests))
		began := time.Now()
		_, err := cqrs.Ask[owed](t.Context(), shop.bus, balance{"ann"})
		if took := time.Since(began); !errors.Is(err, carillon.ErrTimeout) || took != 10*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		_, err = cqrs.Ask[owed](ctx, shop.bus, balance{"ann"})
		if took := time.Since(began); !errors.Is(err, carillon.ErrTimeout) || took != time.Second {
			t.Errorf("after %v, with a second to wait: %v", took, err)
		}
		if counts := shop.Counts(); counts.Waiting != 0 {
			t.Errorf("nobody waits, and %+v", counts)
		}
		elapse(time.Minute)
		if late, unanswered := shop.Counts().Late, bank.Counts().Unanswered; late+unanswered != 2 {
			t.Errorf("%d replies came late, %d were not sent, want 2 together", late, unanswered)
		}
		stopShop()
		stopBank()
	})
}

// TestOutcomeUnknown cuts a command off from its answer: the caller learns that nobody knows, and asking again under the same id tells.
// A command whose request was refused has an outcome.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := requestsTopic()
		between := memory.Volatile()
		cut := &mute{Broker: between.Broker()}
		s := site{store: func() carillon.Store { return memory.Volatile() }}
		s.broker = cut
		bank, stopBank := s.node(t, append(owing(), accounts(), messaging.Serve("bank", requests))...)
		s.broker = between
		shop, stopShop := s.node(t, messaging.Remote("shop", requests))
		cut.off.Store(true)
		_, err := shop.bus.Send(t.Context(), take{"ann", 30}, cqrs.WithID("c1"))
		unknown, ok := errors.AsType[*carillon.OutcomeUnknownError](err)
		if !ok || unknown.CommandID != "c1" || !errors.Is(err, carillon.ErrTimeout) {
			t.Fatalf("error %v", err)
		}
		head, err := bank.store.Log().Head(t.Context())
		if err != nil || head != 1 {
			t.Fatalf("the command was to be carried out: head %d, error %v", head, err)
		}
		cut.off.Store(false)
		done, err := shop.bus.Send(t.Context(), take{"ann", 30}, cqrs.WithID("c1"))
		if err != nil || !done.Duplicate || done.First != 1 {
			t.Errorf("asked again: %+v, error %v", done, err)
		}
		stopBank()
		stopShop()

		alone, stop := inMemory().node(t, messaging.Remote("alone", requests))
		_, err = alone.bus.Send(t.Context(), take{"ann", 1})
		if !errors.Is(err, carillon.ErrUnroutable) || errors.Is(err, carillon.ErrOutcomeUnknown) {
			t.Errorf("nobody serves the topic: %v", err)
		}
		stop()
	})
}

// mute is a broker that publishes no replies while it is off.
type mute struct {
	carillon.Broker
	off atomic.Bool
}

func (m *mute) OpenBroker(context.Context) (carillon.Broker, error) { return m, nil }

func (m *mute) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	if m.off.Load() && messages[0].Kind == carillon.KindReply {
		return nil
	}
	return m.Broker.Publish(ctx, topic, messages)
}

// TestExpiredRequests starts a server when the caller has given up, and another one in time.
func TestExpiredRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		after   time.Duration
		handled bool
	}{{"too late", 11 * time.Second, false}, {"in time", 9 * time.Second, true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, requests := inMemory(), messaging.NewTopic("requests", messaging.Query[balance, owed]("balance"))
				answer := cqrs.Query("balance", func(context.Context, balance) (owed, error) { return owed{4}, nil })
				_, declared := s.node(t, answer, messaging.Serve("bank", requests))
				declared() // its subscription stays
				shop, stopShop := s.node(t, messaging.Remote("shop", requests))
				type outcome struct {
					owes owed
					err  error
				}
				asked := make(chan outcome, 1)
				go func() {
					owes, err := cqrs.Ask[owed](t.Context(), shop.bus, balance{"ann"})
					asked <- outcome{owes, err}
				}()
				elapse(test.after)
				bank, stopBank := s.node(t, answer, messaging.Serve("bank", requests))
				elapse(time.Minute)
				got := <-asked
				expired := bank.Counts().Expired
				if test.handled && (got.err != nil || got.owes.Pence != 4 || expired != 0) || !test.handled && (got.err == nil || expired != 1) {
					t.Errorf("answered with %+v, %d requests expired", got, expired)
				}
				stopShop()
				stopBank()
			})
		})
	}
}

// TestWaitingIsBounded has one caller too many, and callers that go away.
func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, requests := inMemory(), messaging.NewTopic("requests", messaging.Query[balance, owed]("balance"))
		forever := cqrs.Query("balance", func(ctx context.Context, _ balance) (owed, error) {
			<-ctx.Done()
			return owed{}, ctx.Err()
		})
		_, stopBank := s.node(t, forever, messaging.Serve("bank", requests))
		shop, stopShop := s.node(t, messaging.Remote("shop", requests, messaging.MaxWaiting(3)))
		ctx, leave := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		for range 3 {
			asking.Go(func() {
				if _, err := cqrs.Ask[owed](ctx, shop.bus, balance{}); !errors.Is(err, context.Canceled) {
					t.Errorf("a caller who left was told %v", err)
				}
			})
		}
		synctest.Wait()
		if _, err := cqrs.Ask[owed](t.Context(), shop.bus, balance{}); !errors.Is(err, carillon.ErrBusy) {
			t.Errorf("the fourth caller was told %v", err)
		}
		leave()
		asking.Wait()
		if waiting := shop.Counts().Waiting; waiting != 0 {
			t.Errorf("%d wait", waiting)
		}
		asking.Go(func() {
			if _, err := cqrs.Ask[owed](t.Context(), shop.bus, balance{}); !errors.Is(err, carillon.ErrClosed) {
				t.Errorf("the service stopped, and the caller was told %v", err)
			}
		})
		synctest.Wait()
		stopShop()
		asking.Wait()
		stopBank()
	})
}

// doubling is a broker that publishes every request twice.
type doubling struct{ carillon.Broker }

func (d doubling) OpenBroker(context.Context) (carillon.Broker, error) { return d, nil }

func (d doubling) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	return errors.Join(d.Broker.Publish(ctx, topic, messages), d.Broker.Publish(ctx, topic, messages))
}

// TestARepeatedRequestIsCarriedOutOnce delivers each command twice: a decider carries it out once; a handler without one is called twice.
func TestARepeatedRequestIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := requestsTopic()
		between := memory.Volatile()
		s := site{store: func() carillon.Store { return memory.Volatile() }, broker: between}
		bank, stopBank := s.node(t, append(owing(), accounts(), messaging.Serve("bank", requests))...)
		s.broker = doubling{between.Broker()}
		shop, stopShop := s.node(t, messaging.Remote("shop", requests))
		for range 5 {
			_, err := shop.bus.Send(t.Context(), take{"ann", 10})
			must(t, err)
		}
		elapse(time.Minute)
		if head, err := bank.store.Log().Head(t.Context()); err != nil || head != 5 {
			t.Errorf("5 commands appended %d events, error %v", head, err)
		}
		if late := shop.Counts().Late; late != 5 {
			t.Errorf("%d second answers were dropped, want 5", late)
		}
		stopShop()
		stopBank()

		plain := messaging.NewTopic("plain", messaging.Command[take]("money.take"))
		var calls atomic.Int64
		count := cqrs.Command("money.take", func(context.Context, *carillon.Message, take) (carillon.Appended, error) {
			calls.Add(1)
			return carillon.Appended{}, nil
		})
		s.broker = between
		_, stopBank = s.node(t, count, messaging.Serve("bank", plain))
		s.broker = doubling{between.Broker()}
		shop, stopShop = s.node(t, messaging.Remote("shop", plain))
		_, err := shop.bus.Send(t.Context(), take{"ann", 10})
		must(t, err)
		elapse(time.Minute)
		stopShop()
		stopBank()
		if calls.Load() != 2 {
			t.Errorf("the control carried out a command %d times: requests are not doubled", calls.Load())
		}
	})
}
