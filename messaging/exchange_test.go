package messaging_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream/inprocess"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/sourcing"
)

// site is where services of a test run: with a store of their own or a common one, and a broker between them.
type site struct {
	store  func() carillon.Store
	broker carillon.BrokerOpener // nil when it is the store
}

// lasting is a broker that several engines of a process share.
type lasting struct{ carillon.Broker }

func (l lasting) OpenBroker(context.Context) (carillon.Broker, error) { return l, nil }
func (lasting) Close() error                                          { return nil }

func inMemory() site {
	between := memory.Volatile()
	return site{store: func() carillon.Store { return memory.Volatile() }, broker: between}
}

// eachSite runs a test in memory, on one SQLite file, and over JetStream.
func eachSite(t *testing.T, test func(t *testing.T, s site)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, inMemory())
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		store, err := sqlite.File(filepath.Join(t.TempDir(), "store.db")).Open(t.Context())
		must(t, err)
		t.Cleanup(func() { must(t, store.Close()) })
		test(t, site{store: func() carillon.Store { return store }})
	})
	t.Run("jetstream", func(t *testing.T) {
		t.Parallel()
		broker, err := inprocess.Directory(t.TempDir()).OpenBroker(t.Context())
		must(t, err)
		t.Cleanup(func() { must(t, broker.Close()) })
		test(t, site{store: func() carillon.Store { return memory.Volatile() }, broker: lasting{broker}})
	})
}

// node is a service that asks or answers.
type node struct {
	*messaging.Engine
	store carillon.Store
	bus   *cqrs.Bus
}

// part is what a node is made of: *messaging.Client, *messaging.Server, *messaging.Topic, *messaging.Consumer or carillon.Endpoint.
type part any

// assemble makes a service, which does not run yet.
func (s site) assemble(parts ...part) (*node, error) {
	n := &node{store: s.store()}
	options := []messaging.EngineOption{messaging.WithLogger(slog.New(slog.DiscardHandler))}
	if s.broker != nil {
		options = append(options, messaging.Over(s.broker))
	}
	n.Engine = messaging.NewEngine(n.store, options...)
	var endpoints []carillon.Endpoint
	for _, p := range parts {
		switch p := p.(type) {
		case carillon.Endpoint:
			endpoints = append(endpoints, p)
		case interface {
			Bind(sourcing.Runtime) ([]carillon.Endpoint, error)
		}:
			bound, err := p.Bind(sourcing.Runtime{Log: eventlog.New(n.store.Log()), Snapshots: n.store.Snapshots(), Codec: codec.JSON()})
			if err != nil {
				return nil, err
			}
			endpoints = append(endpoints, bound...)
		case *messaging.Client:
			remote, err := n.Remote(p)
			if err != nil {
				return nil, err
			}
			endpoints = append(endpoints, remote...)
		}
	}
	contract, err := cqrs.NewContract(endpoints...)
	if err != nil {
		return nil, err
	}
	n.bus = cqrs.NewBus(contract, cqrs.Correlate())
	n.DispatchTo(n.bus)
	for _, p := range parts {
		switch p := p.(type) {
		case *messaging.Server:
			err = errors.Join(err, n.Serve(p))
		case *messaging.Topic:
			err = errors.Join(err, n.Publishes(p))
		case *messaging.Consumer:
			err = errors.Join(err, n.Add(p))
		}
	}
	return n, err
}

// node makes a service that runs until stop is called, at the latest until the test ends, and waits until it is ready.
func (s site) node(t *testing.T, parts ...part) (n *node, stop func()) {
	t.Helper()
	n, err := s.assemble(parts...)
	must(t, err)
	once := sync.OnceFunc(run(t, n.Engine))
	t.Cleanup(once)
	must(t, n.Ready(t.Context()))
	return n, once
}
