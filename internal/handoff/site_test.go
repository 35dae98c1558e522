//go:build unix

package handoff_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/processes"
)

// deadline is how long the messages of a process that died wait for another at most, where the broker goes by it.
const deadline = 3 * time.Second

// servers name the variables of each broker: the server of all tests, and what makes one of a test's own. PostgreSQL is the store.
var servers = map[string]struct{ shared, node string }{
	jetStreamBroker: {backends.NATS, backends.NATSNode},
	kafkaBroker:     {backends.Kafka, backends.KafkaNode},
	rabbitBroker:    {backends.RabbitMQ, backends.RabbitMQNode},
	postgresBroker:  {},
}

// site is where a test's messages and effects are, open for the test itself.
type site struct {
	place
	directory string // of ledgers
	enough    string // the file whose presence ends publishing
	store     carillon.Store
	db        *sql.DB
	outbox    carillon.Broker // of the store
	broker    carillon.Broker // the outbox where the store is the broker

	// servers of the test's own; nil where they are those of all tests
	cluster *backends.Cluster
	node    *backends.Node
}

// newCluster is a store that the sites of a test share.
func newCluster(t testing.TB) *backends.Cluster {
	t.Helper()
	return backends.StartCluster(t, "max_connections = 400")
}

// newSite is a site on a cluster, and on the broker of all tests.
func newSite(t testing.TB, cluster *backends.Cluster, broker string) *site {
	t.Helper()
	s := &site{place: place{Broker: broker, Database: cluster.URL, Schema: "handoff_" + strings.ToLower(rand.Text()[:12])}}
	if shared := servers[broker].shared; shared != "" {
		s.Address = backends.Variable(t, shared)
	}
	s.open(t)
	return s
}

// newOwnSite is a site on servers that the test may kill.
func newOwnSite(t testing.TB, broker string) *site {
	t.Helper()
	s := &site{place: place{Broker: broker, Schema: "handoff"}, cluster: backends.StartCluster(t)}
	s.Database = s.cluster.URL
	if node := servers[broker].node; node != "" {
		s.node = backends.Start(t, node)
		s.Address = s.node.Address
	}
	s.open(t)
	return s
}

// newFileSite is a site in a SQLite file, for one process at a time. The test itself opens it when that has ended.
func newFileSite(t testing.TB) *site {
	t.Helper()
	s := &site{place: place{Broker: sqliteBroker, Schema: "handoff", Database: filepath.Join(t.TempDir(), "store.db")}}
	s.open(t)
	s.close(t)
	return s
}

// open opens the site for the test, and makes the table of effects and the subscriptions: a subscription has what is published once it is
// declared, and producers may be faster than consumers.
func (s *site) open(t testing.TB) {
	t.Helper()
	if s.directory == "" {
		s.directory, s.enough = t.TempDir(), filepath.Join(t.TempDir(), "enough")
	}
	store, err := s.database(func(config *pgxpool.Config) { config.MaxConns = 4 }).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.store, s.outbox = store, store.(carillon.BrokerStore).Broker()
	s.broker = s.outbox
	if opener := s.place.broker(); opener != nil {
		patiently(t, func() (err error) {
			s.broker, err = opener.OpenBroker(t.Context())
			return err
		})
	}
	patiently(t, func() error {
		return s.broker.Declare(t.Context(), carillon.Topic{Name: "orders", Subscriptions: []string{billing}},
			carillon.Topic{Name: "bills", Subscriptions: []string{archive}})
	})
	s.db = store.(carillon.SQLReader).ReadSQL()
	table := `CREATE TABLE IF NOT EXISTS ` + s.effects() + ` (seq bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, stage text, account text, n bigint)`
	if s.Broker == sqliteBroker {
		table = `CREATE TABLE IF NOT EXISTS effects (seq integer PRIMARY KEY AUTOINCREMENT, stage text, account text, n integer)`
	}
	err = store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "effects"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		_, err := tx.(carillon.SQLTx).SQL().ExecContext(t.Context(), table)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close(t) })
}

// patiently tries again what a server that has much to do does not answer in time.
func patiently(t testing.TB, try func() error) {
	t.Helper()
	processes.Await(t, "the broker answers", func() bool {
		err := try()
		switch {
		case err == nil:
			return true
		case !errors.Is(err, carillon.ErrUnavailable):
			t.Fatal(err)
		}
		t.Logf("trying again: %v", err)
		return false
	})
}

// close closes what the test has opened.
func (s *site) close(t testing.TB) {
	t.Helper()
	if s.store == nil {
		return
	}
	if err := s.broker.Close(); err != nil {
		t.Error(err)
	}
	if s.broker != s.outbox {
		if err := s.outbox.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.store.Close(); err != nil {
		t.Error(err)
	}
	s.store = nil
}

// subscription is one of a topic.
type subscription struct{ topic, name string }

// subscriptions are those of the consumers on the broker, and those of the relays on the store.
func (s *site) subscriptions() map[carillon.Broker][]subscription {
	all := map[carillon.Broker][]subscription{s.broker: {{"orders", billing}, {"bills", archive}}}
	if s.place.broker() != nil {
		all[s.outbox] = []subscription{{"orders", relay}, {"bills", relay}}
	}
	return all
}

// settled reports whether the broker has nothing left for the consumers, and the store nothing left for the relays.
func (s *site) settled(ctx context.Context) (bool, error) {
	for broker, subscriptions := range s.subscriptions() {
		for _, each := range subscriptions {
			backlog, err := broker.(carillon.Prober).Probe(ctx, each.topic, each.name)
			if err != nil || backlog.Waiting > 0 || backlog.Unsettled > 0 {
				return false, err
			}
		}
	}
	return true, nil
}

// letters is how many messages were parked.
func (s *site) letters(t testing.TB) (count int) {
	t.Helper()
	for _, consumer := range []string{billing, archive} {
		letters := s.store.(carillon.DeadLetterStore).DeadLetters()
		keys, err := letters.Keys(t.Context(), consumer)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			count += int(key.Letters)
			first, err := letters.Letters(t.Context(), consumer, key.Key, 0, 1)
			if err == nil && len(first) > 0 {
				t.Logf("%s has parked %d messages of %s, the first because of: %s", consumer, key.Letters, key.Key, first[0].Cause)
			}
		}
	}
	return count
}

// end has the producers place no more orders. Their relays go on.
func (s *site) end(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(s.enough, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ledger is where a producer keeps its ledger.
func (s *site) ledger(name string) string { return filepath.Join(s.directory, name) }

// producer is the job of a producer. Its accounts are found nowhere else.
func (s *site) producer(task string) job {
	name := fmt.Sprintf("%s-%s", task, strings.ToLower(rand.Text()[:6]))
	return job{Task: task, Name: name, place: s.place, Ledger: s.ledger(name), Writers: 8, Enough: s.enough, Deadline: deadline}
}

// consumer is the job of a consumer.
func (s *site) consumer() job {
	return job{Task: "consume", place: s.place, Deadline: deadline, Attempts: 5}
}
