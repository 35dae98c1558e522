package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// Broker is a client of one server. It has two connections, so that a server that takes no messages still gives some away.
type Broker struct {
	source    *Source
	names     names
	outgoing  *link // publishes
	incoming  *link // consumes, declares and asks
	publisher *publisher
	announcer *announcer

	lifetime clients.Lifetime[*subscription]

	mu       sync.Mutex
	topics   map[string]*topic
	declared map[string]carillon.Topic // what this client declared, to be declared again

	restoring sync.Mutex
	restored  *connection // the incoming connection on which all that was declared is known to be there
}

var (
	_ carillon.Broker = (*Broker)(nil)
	_ carillon.Prober = (*Broker)(nil)
)

// The oldest server that does all this: quorum queues with a single active consumer.
const oldestMajor, oldestMinor = 3, 10

func open(ctx context.Context, s *Source) (*Broker, error) {
	if len(s.prefix) == 0 || len(s.prefix) > 32 || strings.Contains(s.prefix, ":") {
		return nil, carillon.Invalidf(fmt.Sprintf("prefix %q", s.prefix), "it has 1 to 32 bytes and no colon")
	}
	b := &Broker{
		source: s, names: names{s.prefix}, outgoing: &link{source: s, name: "outgoing"}, incoming: &link{source: s, name: "incoming"},
		topics: make(map[string]*topic), declared: make(map[string]carillon.Topic),
	}
	b.publisher, b.announcer = &publisher{broker: b}, &announcer{broker: b}
	ctx, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	for _, l := range []*link{b.incoming, b.outgoing} {
		conn, err := l.get(ctx)
		if err == nil {
			err = checkVersion(conn.Properties["product"], conn.Properties["version"])
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open rabbitmq: %w", err), b.Close())
		}
		if l == b.incoming {
			b.restored = conn
		}
	}
	return b, nil
}

func checkVersion(product, version any) error {
	fields := strings.SplitN(text(version), ".", 3)
	if product == "RabbitMQ" && len(fields) >= 2 {
		major, _ := strconv.Atoi(fields[0])
		minor, _ := strconv.Atoi(fields[1])
		if major > oldestMajor || major == oldestMajor && minor >= oldestMinor {
			return nil
		}
	}
	return fmt.Errorf("the server is %v %v, it takes RabbitMQ %d.%d: %w", product, version, oldestMajor, oldestMinor, carillon.ErrUnsupported)
}

// Capabilities says what RabbitMQ can do.
func (b *Broker) Capabilities() carillon.Capabilities {
	return carillon.Capabilities{
		Broker: "RabbitMQ", Confirm: carillon.ConfirmedFlushed, Ack: carillon.AckEach, Order: carillon.OrderShared, OrderedPublish: true,
		Counted: true, Revocation: true, Probe: true, Bounded: true, MaxPayload: carillon.MaxPayload,
	}
}

// begin notes a call, which Close waits for, and bounds its time.
func (b *Broker) begin(ctx context.Context) (context.Context, func(), error) {
	return b.lifetime.Begin(ctx, b.source.timeout, errTimeout)
}

// errTimeout is why a call ended that its caller would have waited longer for.
var errTimeout = fmt.Errorf("rabbitmq: no answer in time: %w: %w", carillon.ErrUnavailable, carillon.ErrTimeout)

// ended says why a context ended.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, carillon.ErrTimeout) {
		return cause
	}
	return ctx.Err()
}

// Close ends all subscriptions and both connections.
func (b *Broker) Close() error {
	return b.lifetime.Close(func() error {
		b.publisher.close()
		b.outgoing.close()
		b.incoming.close()
		return nil
	})
}

// within does what asks the server, in a goroutine of its own: the client's calls know no context, and end when the connection does.
func within[T any](ctx context.Context, b *Broker, do func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	b.lifetime.Go(func() {
		value, err := do(ctx)
		done <- outcome{value, err}
	})
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ended(ctx)
	}
}
