// Package backends gives tests the real servers that scripts/backends starts.
package backends

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// The variables that name the servers.
const (
	// Postgres is the URL of a PostgreSQL database, as superuser.
	Postgres = "CARILLON_TEST_POSTGRES"
	// PgBouncer is the URL of the same database through a pooler in transaction mode.
	PgBouncer = "CARILLON_TEST_PGBOUNCER"
	// PostgresBinaries is the directory of initdb and pg_ctl.
	PostgresBinaries = "CARILLON_TEST_PGBIN"
	// NATS is the URL of a NATS server, with user and password. Its JetStream flushes every write.
	NATS = "CARILLON_TEST_NATS"
	// NATSServer is the program nats-server.
	NATSServer = "CARILLON_TEST_NATS_SERVER"
	// NATSNode makes NATS servers like that of NATS; see Start.
	NATSNode = "CARILLON_TEST_NATS_NODE"
	// Redis is the URL of a Redis, with password. It flushes every write and evicts nothing.
	Redis = "CARILLON_TEST_REDIS"
	// RedisServer is the program redis-server.
	RedisServer = "CARILLON_TEST_REDIS_SERVER"
	// RedisNode makes servers like that of Redis; see Start.
	RedisNode = "CARILLON_TEST_REDIS_NODE"
	// RabbitMQ is the URL of a virtual host of a RabbitMQ, as its administrator.
	RabbitMQ = "CARILLON_TEST_RABBITMQ"
	// RabbitMQNode makes servers like that of RabbitMQ; see Start.
	RabbitMQNode = "CARILLON_TEST_RABBITMQ_NODE"
	// Kafka is the host:port of a Kafka broker, without authentication. Topics are not made by use.
	Kafka = "CARILLON_TEST_KAFKA"
	// KafkaHome is the directory of the broker's jars, its class path.
	KafkaHome = "CARILLON_TEST_KAFKA_HOME"
	// KafkaNode makes brokers like that of Kafka; see Start.
	KafkaNode = "CARILLON_TEST_KAFKA_NODE"
)

// Variable returns what scripts/backends says. Where it says nothing the test is skipped, or fails when backends are required.
func Variable(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	switch {
	case value != "":
	case os.Getenv("REQUIRE_BACKENDS") == "1":
		t.Fatalf("%s is not set, and REQUIRE_BACKENDS=1: run the tests through scripts/backends", name)
	default:
		t.Skipf("%s is not set: run the tests through scripts/backends", name)
	}
	return value
}

// Schema returns the name of a schema that nobody else uses. It is dropped when the test ends.
func Schema(t testing.TB, url string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text()[:16])
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS "+name+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return name
}
