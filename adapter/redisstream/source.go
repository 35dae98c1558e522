package redisstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/carillon-go/carillon"
)

// Source is a Redis server, and how to use it. It is a [carillon.BrokerOpener] and a [carillon.Describer].
type Source struct {
	url      string
	client   redis.UniversalClient // the caller's, nil with a URL
	prefix   string
	tls      *tls.Config
	log      *slog.Logger
	timeout  time.Duration
	replicas int
	losses   map[Loss]bool
}

// Option sets what has a default.
type Option func(*Source)

// Prefix begins all keys: at most 32 bytes, without a colon or brace. Default: "carillon".
func Prefix(prefix string) Option { return func(s *Source) { s.prefix = prefix } }

// TLS sets how to connect to a URL that begins with rediss. Default: the system's certificates.
func TLS(config *tls.Config) Option { return func(s *Source) { s.tls = config } }

// Logger is told of what fails and is tried again. Default: none.
func Logger(log *slog.Logger) Option { return func(s *Source) { s.log = log } }

// Timeout bounds every call. Default: 10 s.
func Timeout(timeout time.Duration) Option { return func(s *Source) { s.timeout = timeout } }

// Replicated has publishing wait until so many replicas have the messages too; it needs a single server, no cluster. It narrows what a
// failover loses and does not end it: a replica without the messages may still be chosen. Default: 0.
func Replicated(replicas int) Option { return func(s *Source) { s.replicas = replicas } }

// Loss is a way to lose confirmed messages that a setting of the server opens.
type Loss uint8

const (
	// LossOfLastSeconds says that appendfsync is everysec or no, or no-appendfsync-on-rewrite is yes. What the system has not written to disk
	// is lost with its power.
	LossOfLastSeconds Loss = iota
	// LossOnRestart says that there is no append-only file. What a restart does not find in a snapshot is lost.
	LossOnRestart
	// LossByEviction says that maxmemory-policy is other than noeviction. Redis may delete whole streams when memory runs out.
	LossByEviction
	// LossUnknown says that the server does not tell its settings, as hosted ones may not. Whoever says so has checked them elsewhere.
	LossUnknown
)

// String names the loss.
func (l Loss) String() string {
	return [...]string{
		"the last seconds, when power fails", "what is in no snapshot, when Redis restarts", "whole streams, when memory runs out",
		"whatever the server's settings allow: it does not tell them",
	}[l]
}

// WithPossibleLoss takes servers whose settings may lose confirmed messages in these ways. [carillon.Capabilities] names those that
// apply. Default: they are refused.
func WithPossibleLoss(losses ...Loss) Option {
	return func(s *Source) {
		for _, loss := range losses {
			s.losses[loss] = true
		}
	}
}

// Server names a server by its URL, such as redis://user:password@host:6379/0.
func Server(url string, options ...Option) *Source {
	return newSource(&Source{url: url}, options)
}

// Client uses a client that the caller has, of a server, a cluster or Sentinel, and that stays open. A consumer holds one of its
// connections. Set its ContextTimeoutEnabled, or its own time-outs bound what hangs; and MaxRetries to -1, or it may publish twice
// by itself.
func Client(client redis.UniversalClient, options ...Option) *Source {
	return newSource(&Source{client: client}, options)
}

func newSource(s *Source, options []Option) *Source {
	s.prefix, s.log, s.timeout, s.losses = "carillon", slog.New(slog.DiscardHandler), 10*time.Second, make(map[Loss]bool)
	for _, option := range options {
		option(s)
	}
	return s
}

// OpenBroker connects and checks the server's settings.
func (s *Source) OpenBroker(ctx context.Context) (carillon.Broker, error) { return open(ctx, s) }

// Describe names the server, without the password.
func (s *Source) Describe() carillon.Description {
	d := carillon.Description{Kind: "broker", Name: "redisstream", Detail: map[string]string{"prefix": s.prefix}}
	if at, err := url.Parse(s.url); err == nil && s.url != "" {
		d.Detail["server"] = at.Redacted()
	}
	return d
}

// connect makes a client, which is to be closed unless it is the caller's.
func (s *Source) connect() (redis.UniversalClient, error) {
	if s.client != nil {
		return s.client, nil
	}
	options, err := redis.ParseURL(s.url)
	if err != nil {
		return nil, fmt.Errorf("redis URL: %w", err)
	}
	if s.tls != nil {
		options.TLSConfig = s.tls
	}
	options.MaxRetries = -1 // a message whose answer was lost is not published again here
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.DialerRetries = min(s.timeout, 5*time.Second), 1
	options.PoolSize = connections
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled} // not every server knows them
	return redis.NewClient(options), nil
}

// connections is how many a client may make. Each consumer holds one.
const connections = 1000
