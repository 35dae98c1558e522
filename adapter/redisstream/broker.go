package redisstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// Broker is a client of one server or cluster.
type Broker struct {
	source   *Source
	names    names
	client   redis.UniversalClient
	scripts  *scripts
	settings *settings

	lifetime clients.Lifetime[*subscription]

	mu     sync.Mutex
	topics map[string]*topic
}

var (
	_ carillon.Broker = (*Broker)(nil)
	_ carillon.Prober = (*Broker)(nil)
)

func open(ctx context.Context, s *Source) (*Broker, error) {
	if len(s.prefix) == 0 || len(s.prefix) > 32 || strings.ContainsAny(s.prefix, ":{}") {
		return nil, carillon.Invalidf(fmt.Sprintf("prefix %q", s.prefix), "it has 1 to 32 bytes, no colon and no brace")
	}
	client, err := s.connect()
	if err != nil {
		return nil, fmt.Errorf("open redis: %w", err)
	}
	b := &Broker{
		source: s, names: names{s.prefix}, client: client, topics: make(map[string]*topic),
	}
	if _, cluster := client.(*redis.ClusterClient); cluster && s.replicas > 0 {
		err = fmt.Errorf("waiting for replicas of a cluster: %w", carillon.ErrUnsupported)
	}
	if err == nil {
		b.scripts, err = newScripts()
	}
	if err == nil {
		ctx, stop := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
		defer stop()
		b.settings, err = s.check(ctx, client)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open redis: %w", err), b.Close())
	}
	return b, nil
}

// Capabilities says what Redis can do with its settings.
func (b *Broker) Capabilities() carillon.Capabilities {
	c := carillon.Capabilities{
		Broker: "Redis Streams", Confirm: b.settings.confirmsToLevel, Ack: carillon.AckEach, Order: carillon.OrderShared,
		OrderedPublish: true, Counted: true, Revocation: true, Probe: true, Bounded: true, MaxPayload: carillon.MaxPayload,
	}
	for _, loss := range b.settings.losses {
		c.Losses = append(c.Losses, loss.String())
	}
	return c
}

// begin notes a call, which Close waits for, and bounds its time.
func (b *Broker) begin(ctx context.Context) (context.Context, func(), error) {
	return b.lifetime.Begin(ctx, b.source.timeout, errTimeout)
}

// Close ends all subscriptions, and the client unless it is the caller's.
func (b *Broker) Close() error {
	return b.lifetime.Close(func() error {
		if b.source.client != nil {
			return nil
		}
		return b.client.Close()
	})
}

// errTimeout is why a call ended that its caller would have waited longer for.
var errTimeout = fmt.Errorf("redis: no answer in time: %w: %w", carillon.ErrUnavailable, carillon.ErrTimeout)

// unavailable makes an error of the client one of ours.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); errors.Is(cause, carillon.ErrTimeout) {
			return cause
		}
		return ctx.Err()
	}
	return fmt.Errorf("redis: %w: %w", carillon.ErrUnavailable, err)
}

// idle waits, and reports whether the context goes on.
func idle(ctx context.Context, for_ time.Duration) bool {
	timer := time.NewTimer(for_)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// heals logs what is tried again.
func (b *Broker) heals(err error, what, where string) {
	b.source.log.Warn("redis did not do something, which is tried again", slog.String("what", what), slog.String("where", where), slog.Any("error", err))
}
