package interop

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	watermillsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/watermill"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/backends"
)

// TestWatermillSQL runs Carillon's own kit over a broker that is watermill's adapter for PostgreSQL.
func TestWatermillSQL(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 24
	config.ConnConfig.RuntimeParams["client_min_messages"] = "warning"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener {
		place := &sqlPlace{pool: pool, schema: backends.Schema(t, url)}
		if _, err := pool.Exec(t.Context(), "CREATE SCHEMA "+place.schema); err != nil {
			t.Fatal(err)
		}
		return place.source()
	})
}

// sqlPlace is a schema with the tables of watermill's adapter, two for each topic.
type sqlPlace struct {
	pool   *pgxpool.Pool
	schema string
}

// source makes a broker of it. The adapter gives a consumer group one message at a time, in order, and keeps messages whoever is
// subscribed; an INSERT that has returned is on disk.
func (p *sqlPlace) source() *watermill.Source {
	return watermill.PubSub(
		func(context.Context) (message.Publisher, error) {
			return watermillsql.NewPublisher(watermillsql.BeginnerFromPgx(p.pool), watermillsql.PublisherConfig{SchemaAdapter: p.messages()}, nil)
		},
		func(_ context.Context, _, subscription string) (message.Subscriber, error) {
			return p.subscriber(subscription)
		},
		watermill.Name("watermill-sql"), watermill.Confirmed(carillon.ConfirmedFlushed), watermill.InOrder(), watermill.Retains(),
		watermill.Declaring(p.declare))
}

func (p *sqlPlace) subscriber(group string) (*watermillsql.Subscriber, error) {
	return watermillsql.NewSubscriber(watermillsql.BeginnerFromPgx(p.pool), watermillsql.SubscriberConfig{
		ConsumerGroup: group, PollInterval: 30 * time.Millisecond, ResendInterval: time.Millisecond, RetryInterval: 10 * time.Millisecond,
		SchemaAdapter: p.messages(), OffsetsAdapter: p.offsets(),
	}, nil)
}

func (p *sqlPlace) messages() watermillsql.DefaultPostgreSQLSchema {
	return watermillsql.DefaultPostgreSQLSchema{
		GenerateMessagesTableName: func(topic string) string { return p.table("messages", topic) },
		GeneratePayloadType:       func(string) string { return "BYTEA" },
		SubscribeBatchSize:        1, // so that a message is settled before the next one comes
	}
}

func (p *sqlPlace) offsets() watermillsql.DefaultPostgreSQLOffsetsAdapter {
	return watermillsql.DefaultPostgreSQLOffsetsAdapter{
		GenerateMessagesOffsetsTableName: func(topic string) string { return p.table("offsets", topic) },
	}
}

// table names a table by a digest of its topic, whose name may be too long.
func (p *sqlPlace) table(kind, topic string) string {
	return fmt.Sprintf("%s.%s_%x", p.schema, kind, sha256.Sum256([]byte(topic)))[:len(p.schema)+1+len(kind)+1+32]
}

// declare makes a topic's tables, and lets new consumer groups begin behind the last message.
func (p *sqlPlace) declare(ctx context.Context, topic carillon.Topic) error {
	subscriber, err := p.subscriber("declares")
	if err != nil {
		return err
	}
	defer subscriber.Close()
	if err := subscriber.SubscribeInitialize(topic.Name); err != nil {
		return err
	}
	for _, group := range topic.Subscriptions {
		_, err := p.pool.Exec(ctx, fmt.Sprintf(
			`INSERT INTO %s (consumer_group, offset_acked, last_processed_transaction_id)
			SELECT $1, coalesce(max(m."offset"), 0), coalesce(max(m.transaction_id::text), '0')::xid8
			FROM (SELECT "offset", transaction_id FROM %s ORDER BY transaction_id DESC, "offset" DESC LIMIT 1) m
			ON CONFLICT DO NOTHING`, p.table("offsets", topic.Name), p.table("messages", topic.Name)), group)
		if err != nil {
			return err
		}
	}
	return nil
}
