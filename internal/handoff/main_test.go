//go:build unix

package handoff_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/internal/processes"
)

// jobVariable makes the test binary act as a producer or a consumer: it holds a job as JSON.
const jobVariable = "CARILLON_HANDOFF_JOB"

// job is what a process does until it is told to stop.
type job struct {
	// Task is "publish" or "append" for producers, "consume", or "all" for publishing and consuming.
	Task string
	// Name tells the producers of a test apart.
	Name string
	place

	// Point is where the process ends by kill -9, or waits for the file Hold if there is one, when it comes there for the Count-th time.
	Point string
	Count int64
	Hold  string

	// producers
	Ledger  string
	Writers int
	Most    int64         // messages of a writer; 0 is without end
	Pace    time.Duration // between messages of a writer
	Enough  string        // a file: once it is there nothing more is published

	// consumers
	Deadline time.Duration // as in [messaging.AckDeadline]
	Attempts int           // as in [consume.Retry]
	Work     time.Duration // what a handler takes
	Report   bool          // the outcome of each transaction is said

	// faults, for controls
	WithoutInbox   bool // the inbox lets everything through
	WithoutLoss    bool // nobody is told that a delivery is lost
	EarlyAck       bool // a delivery is settled before it is handled
	CountsShutdown bool // a handler fails once the process is told to stop
}

// place is where the messages and their effects are.
type place struct {
	Broker   string // as in [brokers], or sqliteBroker
	Address  string // of the broker; none where it is the store
	Database string // its URL, or the path of the SQLite file
	Schema   string // of the database; what the broker keeps has it as prefix
}

func TestMain(m *testing.M) { processes.Main(m, jobVariable, work) }

func work(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	topics, points := newExchange(), processes.NewFuse(j.Point, j.Hold, j.Count)
	switch j.Task {
	case "publish", "append":
		return j.serve(ctx, points, j.produce(topics, points))
	case "consume":
		return j.serve(ctx, points, j.consume(ctx, topics, points))
	case "all":
		return j.serve(ctx, points, append(j.produce(topics, points), j.consume(ctx, topics, points)...))
	default:
		return fmt.Errorf("no task %q", j.Task)
	}
}

// serve runs a service of some parts.
func (j job) serve(ctx context.Context, points *processes.Fuse, parts []carillon.Describer) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	parts = append(parts, app.LogTo(logger), app.Term(deadline), running{})
	if broker := j.broker(); broker != nil {
		parts = append(parts, app.Over(frailOpener{broker, j, points}))
	}
	return app.New(frailDatabase{j, points}, parts...).Run(ctx)
}

// running is a server that says when the service runs.
type running struct{}

func (running) Describe() carillon.Description {
	return carillon.Description{Kind: "server", Name: "running"}
}

func (running) Serve(ctx context.Context, service *app.Running) error {
	if err := service.Messages.Ready(ctx); err == nil {
		processes.Say("running")
	}
	<-ctx.Done()
	return nil
}

// The brokers that messages go through.
const (
	jetStreamBroker = "JetStream"
	kafkaBroker     = "Kafka"
	rabbitBroker    = "RabbitMQ"
	postgresBroker  = "PostgreSQL"
	sqliteBroker    = "SQLite"
)

// broker names the place's broker; nil where the store is the broker.
func (p place) broker() carillon.BrokerOpener {
	switch p.Broker {
	case jetStreamBroker:
		return jetstream.Server(p.Address, jetstream.Prefix(p.Schema))
	case kafkaBroker:
		return kafka.URL("kafka://"+p.Address, kafka.Prefix(p.Schema))
	case rabbitBroker:
		return rabbitmq.Server(p.Address, rabbitmq.Prefix(p.Schema), rabbitmq.Heartbeat(time.Second))
	default:
		return nil
	}
}

// database names the place's store.
func (p place) database(configure func(*pgxpool.Config)) carillon.Opener {
	if p.Broker == sqliteBroker {
		return sqlite.File(p.Database)
	}
	return postgres.URL(p.Database, postgres.Schema(p.Schema), postgres.Configure(configure))
}

// effects is the name of the table that handlers write to.
func (p place) effects() string {
	if p.Broker == sqliteBroker {
		return "effects"
	}
	return p.Schema + ".effects"
}
