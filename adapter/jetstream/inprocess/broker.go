package inprocess

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-go/carillon"
)

// broker is a server and its one client.
type broker struct {
	carillon.Broker // nil until the client is there
	carillon.Prober
	made
	lock   *flock.Flock
	server *server.Server
	once   sync.Once
}

// made is a client that says when a topic was made.
type made interface {
	Made(ctx context.Context, topic string) (string, error)
}

// Incarnation tells one making of a topic from the next. An external server has nothing of the kind: it is not refilled, and the store
// need not keep what that has confirmed.
func (b *broker) Incarnation(ctx context.Context, topic string) (string, error) {
	return b.Made(ctx, topic)
}

func (b *broker) start(ctx context.Context, s Source) error {
	srv, err := server.NewServer(s.serverOptions())
	if err != nil {
		return err
	}
	b.server = srv
	logger := &logger{log: s.log}
	srv.SetLoggerV2(logger, false, false, false)
	srv.Start()
	deadline := time.Now().Add(s.timeout)
	for !srv.ReadyForConnections(50*time.Millisecond) || !srv.JetStreamEnabled() {
		switch fatal := logger.failure(); {
		case fatal != "":
			return errors.New(fatal)
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("the server does not start: %w", carillon.ErrTimeout)
		}
	}
	client, err := s.client(srv).OpenBroker(ctx)
	if err != nil {
		return err
	}
	b.Broker = client
	b.Prober, _ = client.(carillon.Prober)
	b.made, _ = client.(made)
	return nil
}

// Capabilities are those of the client.
func (b *broker) Capabilities() carillon.Capabilities {
	c := b.Broker.Capabilities()
	c.Broker = "NATS JetStream in process"
	return c
}

// Close closes the client, stops the server and gives the directory free.
func (b *broker) Close() (err error) {
	b.once.Do(func() {
		if b.Broker != nil {
			err = b.Broker.Close()
		}
		if b.server != nil {
			b.server.Shutdown()
			b.server.WaitForShutdown()
		}
		err = errors.Join(err, b.lock.Close())
	})
	return err
}
