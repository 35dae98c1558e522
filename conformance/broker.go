package conformance

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
)

// BrokerOpener makes a new, empty place for a broker and returns how to open it: each opening is a client of its own to the same
// place, such as another process would be, except where a second one is refused with [carillon.ErrInUse]. The kit calls it for each
// check, from several goroutines at a time.
type BrokerOpener func(t testing.TB) carillon.BrokerOpener

// Broker tests an adapter's broker: what every broker promises, and what this one says of itself in its capabilities. Of the options
// it knows [WithSizes], [WithSeed], and [WithoutReopen] for a broker that dies with the process. It returns when all checks have
// ended.
func Broker(t *testing.T, open BrokerOpener, options ...LogOption) {
	t.Helper()
	perform(t, "Broker", brokerChecks(), open, options)
}

// brokerChecks lists what [Broker] checks.
func brokerChecks() []brokerCheck {
	return slices.Concat(
		brokerTopicChecks(),
		brokerPublishChecks(),
		brokerDeliveryChecks(),
		brokerSettlingChecks(),
		brokerSharingChecks(),
		brokerOrderChecks(),
		brokerLifecycleChecks(),
	)
}

// brokerCheck is one promise of brokers put to the test.
type brokerCheck struct {
	name string
	run  func(ctx context.Context, s *brokerSubject) error
}

// brokerPatience is how long the kit waits for what must come, and checkPatience for a whole check.
const (
	brokerPatience = 40 * time.Second
	checkPatience  = 10 * brokerPatience
)

// against runs the check in a new place. A check that does not end is left behind.
func (c brokerCheck) against(ctx context.Context, t testing.TB, open BrokerOpener, settings settings) error {
	t.Helper()
	name := fnv.New64a()
	name.Write([]byte(c.name))
	s := &brokerSubject{
		subject: subject{settings: settings, t: t, random: rand.New(rand.NewPCG(settings.seed, name.Sum64()))}, opener: open(t),
	}
	ctx, stop := context.WithTimeout(ctx, checkPatience)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.in(ctx, s) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(brokerPatience)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
		return fmt.Errorf("a method of the broker does not return: %v have passed since its context ended", brokerPatience)
	}
}

// in runs the check with a broker and closes what was opened.
func (c brokerCheck) in(ctx context.Context, s *brokerSubject) (err error) {
	if err := s.client(ctx); err != nil {
		return err
	}
	defer func() {
		for _, broker := range s.clients {
			if closing := broker.Close(); closing != nil {
				err = errors.Join(err, fmt.Errorf("close the broker: %w", closing))
			}
		}
	}()
	return c.run(ctx, s)
}

// StoreBroker makes a broker of a store that is one: the store is opened with the broker and closed with it.
func StoreBroker(opener carillon.Opener) carillon.BrokerOpener { return storeBroker{opener} }

type storeBroker struct{ opener carillon.Opener }

func (s storeBroker) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	store, err := s.opener.Open(ctx)
	if err != nil {
		return nil, err
	}
	with, ok := store.(carillon.BrokerStore)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the store is no broker: %w", carillon.ErrUnsupported), store.Close())
	}
	broker := with.Broker()
	if prober, ok := broker.(carillon.Prober); ok {
		return &probedStoreBroker{brokerWithStore{broker, store}, prober}, nil
	}
	return &brokerWithStore{broker, store}, nil
}

type brokerWithStore struct {
	carillon.Broker
	store carillon.Store
}

func (b *brokerWithStore) Close() error { return errors.Join(b.Broker.Close(), b.store.Close()) }

type probedStoreBroker struct {
	brokerWithStore
	carillon.Prober
}
