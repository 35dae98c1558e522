package messaging_test

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/filesystem"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/adapter/redisstream"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/messaging"
)

// TestExchangeOverServers has every pattern once over each broker: a command, a query, a gathering, a stream, and an answer that is too
// large for the broker.
func TestExchangeOverServers(t *testing.T) {
	t.Parallel()
	own := func() carillon.Store { return memory.Volatile() }
	over := func(variable string, open func(url, prefix string) carillon.BrokerOpener) func(t *testing.T) site {
		return func(t *testing.T) site {
			t.Helper()
			return site{store: own, broker: open(backends.Variable(t, variable), "x"+strings.ToLower(rand.Text()[:8]))}
		}
	}
	servers := map[string]func(t *testing.T) site{
		"nats": over(backends.NATS, func(url, prefix string) carillon.BrokerOpener {
			return jetstream.Server(url, jetstream.Prefix(prefix))
		}),
		"rabbitmq": over(backends.RabbitMQ, func(url, prefix string) carillon.BrokerOpener {
			return rabbitmq.Server(url, rabbitmq.Prefix(prefix))
		}),
		"redis": over(backends.Redis, func(url, prefix string) carillon.BrokerOpener {
			return redisstream.Server(url, redisstream.Prefix(prefix))
		}),
		"kafka": over(backends.Kafka, func(address, prefix string) carillon.BrokerOpener {
			return kafka.Brokers([]string{address}, kafka.Prefix(prefix))
		}),
		"postgres": func(t *testing.T) site {
			t.Helper()
			url := backends.Variable(t, backends.Postgres)
			source := postgres.URL(url, postgres.Schema(backends.Schema(t, url)))
			return site{store: func() carillon.Store {
				store, err := source.Open(context.Background())
				must(t, err)
				t.Cleanup(func() { must(t, store.Close()) })
				return store
			}}
		},
	}
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exchange(t, server(t))
		})
	}
}

// exchange has every pattern once.
func exchange(t *testing.T, s site) {
	t.Helper()
	pages := make([]byte, large)
	requests := messaging.NewTopic("requests", messaging.Command[take]("money.take"), messaging.Query[balance, scan]("scan.find"),
		messaging.Stream[count, int]("count"), messaging.ClaimCheck(1<<16, filesystem.Directory(t.TempDir())), messaging.Partitions(2))
	balances := messaging.NewTopic("balances", messaging.Query[fail, owed]("balance"), messaging.Partitions(2))
	answer := func(pence int) part {
		return asked("balance", func(context.Context, fail) (owed, error) { return owed{pence}, nil })
	}
	var c counting
	s.node(t, accounts(), asked("scan.find", func(context.Context, balance) (scan, error) { return scan{"found", pages}, nil }),
		c.endpoint(), messaging.Serve("bank", requests), answer(1), messaging.Serve("north", balances))
	s.node(t, answer(2), messaging.Serve("south", balances))
	for _, client := range []string{"first", "second"} { // two processes of one service, where leases tell them apart
		name := "shop"
		if _, shared := s.store().(carillon.LeaseStore); !shared {
			name = client
		}
		shop, _ := s.node(t, messaging.Remote(name, requests), messaging.Remote(name, balances))
		for _, duplicate := range []bool{client == "second", true} {
			done, err := shop.bus.Send(t.Context(), take{"ann", 60}, cqrs.WithID("once"))
			if err != nil || done.First == 0 || done.Duplicate != duplicate {
				t.Errorf("%s: a command was answered with %+v, error %v", client, done, err)
			}
		}
		if _, err := shop.bus.Send(t.Context(), take{"ann", 60}); !errors.Is(err, carillon.ErrRejected) {
			t.Errorf("%s: a rejection came as %v", client, err)
		}
		if found, err := cqrs.Ask[scan](t.Context(), shop.bus, balance{"x"}); err != nil || len(found.Pages) != large {
			t.Errorf("%s: %d bytes came, error %v", client, len(found.Pages), err)
		}
		answers, err := messaging.Gather[owed](t.Context(), shop.Engine, balances, fail{}, messaging.ExpectFrom("north", "south"))
		if err != nil || len(answers) != 2 || answers[0].Value.Pence+answers[1].Value.Pence != 3 {
			t.Errorf("%s: gathered %+v, error %v", client, answers, err)
		}
		numbers, err := counted(t, shop.bus, count{To: 200})
		if diff := cmp.Diff(upTo(200), numbers); diff != "" || err != nil {
			t.Errorf("%s: error %v: %s", client, err, diff)
		}
		endless, err := cqrs.Ask[iter.Seq2[int, error]](t.Context(), shop.bus, count{To: 1 << 40})
		must(t, err)
		for n, err := range endless {
			if must(t, err); n == 70 {
				break
			}
		}
		if counts := shop.Counts(); counts.Waiting != 0 {
			t.Errorf("%s: after all was answered: %+v", client, counts)
		}
	}
}
