package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
)

const (
	// window is how many messages wait for their confirm at once.
	window = 1024
	// headerRoom is what a message's headers take of the server's limit at most; more is refused.
	headerRoom = 64 << 10
	// markerTime is how long the bucket remembers that a key is gone.
	markerTime = time.Minute
)

// broker is one connection to a server. Safe for concurrent use.
type broker struct {
	source Source
	conn   *nats.Conn
	js     jetstream.JetStream
	bucket jetstream.KeyValue
	fast   *fastBatches

	mu            sync.Mutex
	closed        bool
	topics        map[string]topic
	subscriptions map[*subscription]struct{}
	calls         sync.WaitGroup
	next          uint64          // partition of the next message without a key
	connected     context.Context //nolint:containedctx // ends with the connection, and is another with the next
	disconnect    func()
}

func open(ctx context.Context, s Source) (*broker, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	b := &broker{source: s, topics: make(map[string]topic), subscriptions: make(map[*subscription]struct{})}
	b.connected, b.disconnect = context.WithCancel(context.Background())
	conn, err := nats.Connect(s.url, b.connectionOptions(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", hosts(s.url), translate(err))
	}
	b.conn = conn
	if err := b.prepare(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return b, nil
}

func (b *broker) connectionOptions(ctx context.Context) []nats.Option {
	log := b.source.log
	patience := 5 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, max(time.Until(deadline), time.Millisecond))
	}
	return append([]nats.Option{
		nats.Name("carillon"),
		nats.Timeout(patience),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 200*time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent now fails now
		nats.PingInterval(b.source.ping),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(b.source.timeout),
		nats.IgnoreAuthErrorAbort(), // an account may come back
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to NATS lost", slog.Any("error", err))
			}
			b.disconnected()
		}),
		nats.ReconnectHandler(func(conn *nats.Conn) {
			log.Info("connected to NATS again", slog.String("server", conn.ConnectedServerName()))
			b.reconnected()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS reports", slog.Any("error", err))
		}),
	}, b.source.connections...)
}

// prepare checks the server and makes the bucket.
func (b *broker) prepare(ctx context.Context) (err error) {
	if err := checkVersion(b.conn.ConnectedServerVersion()); err != nil {
		return err
	}
	b.js, err = jetstream.New(b.conn, jetstream.WithPublishAsyncMaxPending(window), jetstream.WithPublishAsyncTimeout(b.source.timeout),
		jetstream.WithDefaultTimeout(b.source.timeout))
	if err != nil {
		return err
	}
	fast, err := openFastBatches(b.conn)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.fast = fast
	b.mu.Unlock()
	b.bucket, err = b.js.KeyValue(ctx, b.source.prefix)
	if errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("the server, or the account on it, has no JetStream: %w: %w", carillon.ErrUnsupported, err)
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		b.bucket, err = b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: b.source.prefix, Description: "Carillon: subscriptions, their owners and how far they have come",
			Storage: jetstream.FileStorage, Replicas: b.source.replicas, LimitMarkerTTL: markerTime,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // another process was first
			b.bucket, err = b.js.KeyValue(ctx, b.source.prefix)
		}
	}
	if err != nil {
		return fmt.Errorf("bucket %s: %w", b.source.prefix, translate(err))
	}
	stream, err := b.js.Stream(ctx, "KV_"+b.source.prefix)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", b.source.prefix, translate(err))
	}
	return checkStream(stream.CachedInfo().Config)
}

// Capabilities says what the broker can do.
func (b *broker) Capabilities() carillon.Capabilities {
	c := carillon.Capabilities{
		Broker: "NATS JetStream", Confirm: carillon.ConfirmedFlushed, Ack: carillon.AckEach, Order: carillon.OrderShared,
		OrderedPublish: true, Deadline: true, Counted: true, Revocation: true, Probe: true, Bounded: true, Retained: true,
		Deduplication: b.source.duplicates, MaxPayload: int(min(carillon.MaxPayload, b.conn.MaxPayload()-headerRoom)),
	}
	if !b.source.flushed {
		c.Losses = []string{lossFlushedLater}
		c.Confirm = carillon.ConfirmedBySystem
		if b.source.replicas > 1 {
			c.Confirm = carillon.ConfirmedReplicated
		}
	}
	return c
}

// enter begins a call, bounded by the time-out; leave ends it.
func (b *broker) enter(ctx context.Context) (bounded context.Context, leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, fmt.Errorf("broker: %w", carillon.ErrClosed)
	}
	b.calls.Add(1)
	bounded, cancel := context.WithTimeout(ctx, b.source.timeout)
	return bounded, func() { cancel(); b.calls.Done() }, nil
}

// attempt bounds what is tried again when it fails, by the time-out at most. It ends with the connection, too: what the server answers to a
// request of one connection does not come by the next.
func (b *broker) attempt(limit time.Duration) (context.Context, context.CancelFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return context.WithTimeout(b.connected, min(limit, b.source.timeout))
}

// bound tells the end of one's own time-out from the end of the caller's context.
func (b *broker) bound(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("no answer within %v: %w: %w", b.source.timeout, carillon.ErrTimeout, carillon.ErrUnavailable)
	}
	return translate(err)
}

// disconnected ends the batches whose confirms will not come, and what else waits for an answer.
func (b *broker) disconnected() {
	b.mu.Lock()
	fast := b.fast
	b.disconnect()
	b.mu.Unlock()
	if fast != nil {
		fast.failAll(nats.ErrDisconnected)
	}
}

func (b *broker) reconnected() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected, b.disconnect = context.WithCancel(context.Background())
	for s := range b.subscriptions {
		s.reconnected()
	}
}

// Close ends all subscriptions and the connection.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	var open []*subscription
	for s := range b.subscriptions {
		open = append(open, s)
	}
	b.mu.Unlock()
	b.calls.Wait()
	var all sync.WaitGroup
	failed := make([]error, len(open))
	for i, s := range open {
		all.Go(func() { failed[i] = s.Close() })
	}
	all.Wait()
	b.js.CleanupPublisher()
	b.conn.Close()
	return errors.Join(failed...)
}
