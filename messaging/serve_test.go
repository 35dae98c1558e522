package messaging_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/messaging"
)

// TestCommandsNobodyWaitsFor publishes commands to a topic that is served: they are carried out, tried again, and parked in the end.
func TestCommandsNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, requests := inMemory(), messaging.NewTopic("requests", messaging.Command[take]("money.take"))
		var calls atomic.Int64
		handle := cqrs.Command("money.take", func(_ context.Context, _ *carillon.Message, c take) (carillon.Appended, error) {
			switch {
			case c.Account == "banned":
				return carillon.Appended{}, carillon.Rejectf("banned")
			case calls.Add(1) < 3:
				return carillon.Appended{}, errors.New("not yet")
			}
			return carillon.Appended{}, nil
		})
		bank, stopBank := s.node(t, handle, messaging.Serve("bank", requests))
		shop, stopShop := s.node(t, requests)
		must(t, shop.Publish(t.Context(), requests, take{"ann", 1}), shop.Publish(t.Context(), requests, take{"banned", 1}))
		elapse(time.Minute)
		stopShop()
		stopBank()
		if calls.Load() != 3 {
			t.Errorf("the command was tried %d times", calls.Load())
		}
		letters, err := bank.store.(carillon.DeadLetterStore).DeadLetters().Letters(t.Context(), "bank", "banned", 0, 10)
		if err != nil || len(letters) != 1 || letters[0].Cause != "banned" {
			t.Errorf("letters %+v, error %v", letters, err)
		}
	})
}

// TestRepliesGoToTopicsOfReplies publishes a request by hand that wants its answer in a topic of events, and one that is in order.
func TestRepliesGoToTopicsOfReplies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, requests := inMemory(), messaging.NewTopic("requests", messaging.Query[balance, owed]("balance"))
		var calls atomic.Int64
		answer := cqrs.Query("balance", func(context.Context, balance) (owed, error) {
			calls.Add(1)
			return owed{}, nil
		})
		bank, stop := s.node(t, answer, messaging.Serve("bank", requests))
		broker, err := s.broker.OpenBroker(t.Context())
		must(t, err)
		for _, name := range []string{"orders", "shop.replies.0"} {
			must(t, broker.Declare(t.Context(), carillon.Topic{Name: name, Subscriptions: []string{"all"}}))
			must(t, broker.Publish(t.Context(), "requests", []carillon.Message{{
				ID: name, Kind: carillon.KindQuery, Type: "balance", Payload: []byte(`{}`), Headers: map[string]string{
					"requestid": name, "requestreplyto": name, "requestdeadline": time.Now().Add(time.Minute).Format(time.RFC3339Nano),
				},
			}}))
		}
		elapse(time.Second)
		for name, want := range map[string]int64{"orders": 0, "shop.replies.0": 1} {
			backlog, err := broker.(carillon.Prober).Probe(t.Context(), name, "all")
			if err != nil || backlog.Waiting != want {
				t.Errorf("topic %s has %d replies, want %d: error %v", name, backlog.Waiting, want, err)
			}
		}
		if calls.Load() != 1 || bank.Counts().Unanswered != 1 {
			t.Errorf("%d calls, %+v", calls.Load(), bank.Counts())
		}
		stop()
	})
}

// leases is a store in memory that says who does what, as one does that processes share.
type leases struct {
	*memory.Store
	mu      sync.Mutex
	held    map[string]carillon.Lease
	expires map[string]time.Time
}

func (l *leases) Leases() carillon.Leases { return l }

func (l *leases) Claim(_ context.Context, name, holder string, ttl time.Duration) (carillon.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease, taken := l.held[name]
	if taken && lease.Holder != holder && time.Now().Before(l.expires[name]) {
		return carillon.Lease{}, carillon.ErrLeaseHeld
	}
	lease = carillon.Lease{Name: name, Holder: holder, Epoch: lease.Epoch + 1}
	l.held[name], l.expires[name] = lease, time.Now().Add(ttl)
	return lease, nil
}

func (l *leases) Renew(_ context.Context, holder string, ttl time.Duration) (held []carillon.Lease, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, lease := range l.held {
		if lease.Holder == holder {
			l.expires[name] = time.Now().Add(ttl)
			held = append(held, lease)
		}
	}
	return held, nil
}

func (l *leases) Release(_ context.Context, given ...carillon.Lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lease := range given {
		if l.held[lease.Name] == lease {
			delete(l.held, lease.Name)
		}
	}
	return nil
}

func (l *leases) List(context.Context, string) ([]carillon.LeaseInfo, error) { return nil, nil }

// TestProcessesOfAServiceHaveAddressesOfTheirOwn runs three processes of one service, one after the other stopped and started: each is
// answered, and there are never more topics than processes. Without leases they take each other's replies.
func TestProcessesOfAServiceHaveAddressesOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, requests := inMemory(), messaging.NewTopic("requests", messaging.Query[balance, owed]("balance"))
		_, stopBank := s.node(t, asked("balance", func(_ context.Context, q balance) (owed, error) { return owed{len(q.Account)}, nil }),
			messaging.Serve("bank", requests))
		shared := &leases{Store: memory.Volatile(), held: make(map[string]carillon.Lease), expires: make(map[string]time.Time)}
		shops := s
		shops.store = func() carillon.Store { return shared }
		shop := func() (*node, func()) { return shops.node(t, messaging.Remote("shop", requests)) }
		var all []*node
		var stops []func()
		for range 3 {
			n, stop := shop()
			all, stops = append(all, n), append(stops, stop)
		}
		for round := range 6 {
			for _, n := range all {
				if owes, err := cqrs.Ask[owed](t.Context(), n.bus, balance{"ann"}); err != nil || owes.Pence != 3 {
					t.Errorf("round %d: %v, error %v", round, owes, err)
				}
			}
			stops[round%3]()
			all[round%3], stops[round%3] = shop()
		}
		for _, stop := range stops {
			stop()
		}
		broker, err := s.broker.OpenBroker(t.Context())
		must(t, err)
		_, err = broker.(carillon.Prober).Probe(t.Context(), "shop.replies.2", "replies")
		must(t, err)
		if _, err = broker.(carillon.Prober).Probe(t.Context(), "shop.replies.3", "replies"); !errors.Is(err, carillon.ErrNotFound) {
			t.Errorf("three processes have a fourth topic: %v", err)
		}

		one, stopOne := s.node(t, messaging.Remote("till", requests)) // the control: no leases
		two, stopTwo := s.node(t, messaging.Remote("till", requests))
		lost := 0
		for range 4 {
			for _, n := range []*node{one, two} {
				if _, err := cqrs.Ask[owed](t.Context(), n.bus, balance{"ann"}); err != nil {
					lost++
				}
			}
		}
		if lost == 0 || one.Counts().Late+two.Counts().Late == 0 {
			t.Error("the control lost no replies")
		}
		stopOne()
		stopTwo()
		stopBank()
	})
}

func TestMistakesOfRequests(t *testing.T) {
	t.Parallel()
	requests := requestsTopic()
	local := append(owing(), accounts())
	tests := []struct {
		name  string
		parts []part
		want  error
	}{
		{"here and elsewhere", append(local[:3:3], messaging.Remote("shop", requests)), carillon.ErrInvalid},
		{"served without a handler", []part{messaging.Serve("bank", requests)}, carillon.ErrUnknownType},
		{"served and remote", []part{messaging.Serve("bank", requests), messaging.Remote("shop", requests)}, carillon.ErrInvalid},
		{"served twice", append(local[:3:3], messaging.Serve("bank", requests), messaging.Serve("bank", requests)), carillon.ErrInvalid},
		{"another answer", []part{
			asked("balance", func(context.Context, balance) (string, error) { return "", nil }),
			messaging.Serve("bank", messaging.NewTopic("a", messaging.Query[balance, owed]("balance"))),
		}, carillon.ErrInvalid},
		{"no requests", []part{messaging.Remote("shop", ordersTopic())}, carillon.ErrInvalid},
		{"nothing to serve", []part{messaging.Serve("shop", ordersTopic())}, carillon.ErrInvalid},
		{"a name no broker takes", []part{messaging.Remote("Shop", requests)}, carillon.ErrInvalid},
		{"no patience", []part{messaging.Remote("shop", requests, messaging.Timeout(0))}, carillon.ErrInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := inMemory().assemble(test.parts...); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}
