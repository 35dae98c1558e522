package rabbitmq

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/url"
	"time"

	"github.com/carillon-go/carillon"
)

// Source is a RabbitMQ server, and how to use it. It is a [carillon.BrokerOpener] and a [carillon.Describer].
type Source struct {
	url       string
	prefix    string
	tls       *tls.Config
	log       *slog.Logger
	timeout   time.Duration
	heartbeat time.Duration
	window    int
}

// Option sets what has a default.
type Option func(*Source)

// Prefix begins the names of everything on the server: at most 32 bytes, without a colon. Default: "carillon".
func Prefix(prefix string) Option { return func(s *Source) { s.prefix = prefix } }

// TLS sets how to connect to a URL that begins with amqps. Default: the system's certificates.
func TLS(config *tls.Config) Option { return func(s *Source) { s.tls = config } }

// Logger is told of lost connections and what else heals by itself. Default: none.
func Logger(log *slog.Logger) Option { return func(s *Source) { s.log = log } }

// Timeout bounds every call, and how long a connection may take nothing of what is written to it. Default: 10 s.
func Timeout(timeout time.Duration) Option { return func(s *Source) { s.timeout = timeout } }

// Heartbeat is how often the two sides tell that they are there, in whole seconds, at least one. A connection is given up after
// one and a half times as long by this side, and after at most three times as long by the server. Default: 5 s.
func Heartbeat(interval time.Duration) Option { return func(s *Source) { s.heartbeat = interval } }

// Window is how many messages are published and not yet confirmed, at most, in all calls together. Default: 1024.
func Window(messages int) Option { return func(s *Source) { s.window = messages } }

// Server names a server by its URL, such as amqp://user:password@host:5672/vhost. Give each application a user and a virtual host
// of its own. Opening refuses a server older than 3.10.
func Server(url string, options ...Option) *Source {
	s := &Source{
		url: url, prefix: "carillon", log: slog.New(slog.DiscardHandler), timeout: 10 * time.Second, heartbeat: 5 * time.Second, window: 1024,
	}
	for _, option := range options {
		option(s)
	}
	s.window = max(s.window, 1)
	s.heartbeat = max(s.heartbeat.Truncate(time.Second), time.Second)
	return s
}

// OpenBroker connects.
func (s *Source) OpenBroker(ctx context.Context) (carillon.Broker, error) { return open(ctx, s) }

// Describe names the server, without the password.
func (s *Source) Describe() carillon.Description {
	d := carillon.Description{Kind: "broker", Name: "rabbitmq", Detail: map[string]string{"prefix": s.prefix}}
	if at, err := url.Parse(s.url); err == nil {
		d.Detail["server"] = at.Redacted()
	}
	return d
}
