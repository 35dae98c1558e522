package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
)

// clientOptions are those of every connection.
func (s Servers) clientOptions() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(s.seeds...),
		kgo.ClientID("carillon"),
		kgo.Dialer(s.settings.dialer()),
		kgo.DisableClientMetrics(),
		kgo.RequestTimeoutOverhead(s.settings.timeout / 2),
		kgo.RetryTimeout(s.settings.timeout),
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.WithLogger(logger{s.settings.logger}),
	}
	if s.settings.mechanism != nil {
		options = append(options, kgo.SASL(s.settings.mechanism))
	}
	return options
}

// backoff is how long to wait after a number of failures in a row.
func backoff(failures int) time.Duration {
	return min(50*time.Millisecond<<min(failures-1, 10), time.Second)
}

// dialer connects in bounded time, and notices connections that are gone.
func (s *settings) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	dial, timeout, config := s.dial, s.timeout/2, s.tls
	if dial == nil {
		dial = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: timeout / 2, Interval: timeout / 4, Count: 2}}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, stop := context.WithTimeout(ctx, timeout)
		defer stop()
		conn, err := dial(ctx, network, address)
		if err != nil || config == nil {
			return conn, err
		}
		own := config.Clone()
		if own.ServerName == "" {
			if own.ServerName, _, err = net.SplitHostPort(address); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		secured := tls.Client(conn, own)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return secured, nil
	}
}

// failure makes an error of the port of one of the client's. The context is the caller's, without the adapter's own limit.
func failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refusal, refused := errors.AsType[*kerr.Error](err)
	switch {
	case isOurs(err):
		return err
	case errors.Is(err, kgo.ErrClientClosed):
		return carillon.ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from Kafka: %w: %w", carillon.ErrTimeout, carillon.ErrUnavailable)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("%w: %w", carillon.ErrNotFound, err)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fmt.Errorf("%w: %w", carillon.ErrTooLarge, err)
	case refused && !refusal.Retriable:
		return fmt.Errorf("refused by Kafka: %w", err)
	default:
		return fmt.Errorf("%w: %w", carillon.ErrUnavailable, err)
	}
}

// isOurs reports whether an error is one of the port's already.
func isOurs(err error) bool {
	for _, known := range []error{
		carillon.ErrUnavailable, carillon.ErrNotFound, carillon.ErrClosed, carillon.ErrUnsafe, carillon.ErrConflict, carillon.ErrInvalid,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// persist tries again what the cluster cannot do just now, such as while a partition moves to another broker, until the context ends.
func persist(ctx context.Context, try func() error) error {
	for tries := 1; ; tries++ {
		err := try()
		if err == nil || !errors.Is(failure(ctx, err), carillon.ErrUnavailable) {
			return err
		}
		if pause(ctx, backoff(tries)) != nil {
			return err
		}
	}
}

// pause waits.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pulse knows when a broker has last answered.
type pulse struct{ last atomic.Int64 }

func newPulse() *pulse {
	p := new(pulse)
	p.last.Store(time.Now().UnixNano())
	return p
}

// OnBrokerRead implements [kgo.HookBrokerRead].
func (p *pulse) OnBrokerRead(_ kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	if err == nil {
		p.last.Store(time.Now().UnixNano())
	}
}

// quiet returns how long no broker has answered.
func (p *pulse) quiet() time.Duration { return time.Since(time.Unix(0, p.last.Load())) }

// logger passes on what the client logs.
type logger struct{ to *slog.Logger }

// Level implements [kgo.Logger].
func (l logger) Level() kgo.LogLevel {
	ctx := context.Background()
	switch {
	case l.to.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelDebug
	case l.to.Enabled(ctx, slog.LevelInfo):
		return kgo.LogLevelInfo
	case l.to.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelWarn
	case l.to.Enabled(ctx, slog.LevelError):
		return kgo.LogLevelError
	default:
		return kgo.LogLevelNone
	}
}

// Log implements [kgo.Logger].
func (l logger) Log(level kgo.LogLevel, text string, values ...any) {
	to := slog.LevelDebug
	switch level {
	case kgo.LogLevelError:
		to = slog.LevelError
	case kgo.LogLevelWarn:
		to = slog.LevelWarn
	case kgo.LogLevelInfo:
		to = slog.LevelInfo
	case kgo.LogLevelDebug, kgo.LogLevelNone:
	}
	l.to.LogAttrs(context.Background(), to, "Kafka client", slog.String("event", text), slog.Any("details", values))
}
