package jetstream

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/carillon-go/carillon"
)

// Source is a server or cluster that can be opened as a broker. It implements [carillon.BrokerOpener] and [carillon.Describer].
type Source struct {
	url         string
	prefix      string
	replicas    int
	duplicates  time.Duration
	timeout     time.Duration
	ping        time.Duration
	flushed     bool
	log         *slog.Logger
	connections []nats.Option
}

// Option changes a default of [Server].
type Option func(*Source)

// TLS connects with TLS as the configuration says, such as with certificates of one's own.
func TLS(config *tls.Config) Option { return Connect(nats.Secure(config)) }

// Credentials names a credentials file, with a user's JWT and seed.
func Credentials(file string) Option { return Connect(nats.UserCredentials(file)) }

// User gives a name and a password. They may stand in the URL too.
func User(name, password string) Option { return Connect(nats.UserInfo(name, password)) }

// Connect adds options of the client, such as nats.Nkey or nats.InProcessServer.
func Connect(options ...nats.Option) Option {
	return func(s *Source) { s.connections = append(s.connections, options...) }
}

// Replicas sets on how many servers of a cluster a stream is kept: 1, 3 or 5. Default: 1. Streams that are there keep theirs.
func Replicas(n int) Option { return func(s *Source) { s.replicas = n } }

// Prefix begins the names of everything made on the server, so that several systems can share one. It has at most 32 lower-case
// letters, digits, "_" and "-", and begins with a letter. Default: carillon.
func Prefix(name string) Option { return func(s *Source) { s.prefix = name } }

// Duplicates sets for how long the server drops what is published again under the same id. It applies to streams made from then
// on; the retention of a topic is its upper bound. Default: 2 minutes.
func Duplicates(window time.Duration) Option { return func(s *Source) { s.duplicates = window } }

// Timeout bounds each call beside its context. Default: 10 s.
func Timeout(d time.Duration) Option { return func(s *Source) { s.timeout = d } }

// PingEvery sets how often the connection is probed; after two answers missed it is given up and made anew. Default: 3 s.
func PingEvery(d time.Duration) Option { return func(s *Source) { s.ping = d } }

// FlushedLater says that the server confirms before it flushes to the disk: the messages of the last minutes are lost when its
// machine loses power.
func FlushedLater() Option { return func(s *Source) { s.flushed = false } }

// Log says where lost connections and the like are logged. Default: nowhere.
func Log(logger *slog.Logger) Option { return func(s *Source) { s.log = logger } }

// Server names a server or several of a cluster, separated by commas, such as nats://one:4222,nats://two:4222. It does no I/O.
func Server(url string, options ...Option) Source {
	s := Source{
		url: url, prefix: "carillon", replicas: 1, duplicates: 2 * time.Minute, timeout: 10 * time.Second, ping: 3 * time.Second,
		flushed: true, log: slog.New(slog.DiscardHandler),
	}
	for _, option := range options {
		option(&s)
	}
	return s
}

var prefixName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (s Source) check() error {
	switch {
	case !prefixName.MatchString(s.prefix):
		return carillon.Invalidf("prefix "+strconv.Quote(s.prefix),
			"it has at most 32 lower-case letters, digits, _ and -, and begins with a letter")
	case s.replicas < 1 || s.replicas > 5:
		return carillon.Invalidf("replicas", "there are 1, 3 or 5, not %d", s.replicas)
	case s.replicas%2 == 0:
		return unsafe("%d replicas lose their majority as easily as %d: use an odd number", s.replicas, s.replicas-1)
	case s.duplicates <= 0 || s.timeout <= 0 || s.ping <= 0:
		return carillon.Invalidf("jetstream", "window, time-out and ping are times above 0")
	}
	return nil
}

// OpenBroker connects, and makes the bucket of subscriptions if it is not there. Errors: an [*carillon.InvalidError] for options
// that are none, [carillon.ErrUnavailable] when no server answers, [carillon.ErrUnsafe] for settings that lose messages and for
// servers too old, [carillon.ErrUnsupported] for a server or an account without JetStream.
func (s Source) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	b, err := open(ctx, s)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Describe names the servers without their passwords.
func (s Source) Describe() carillon.Description {
	confirm := "flushed before confirmed (the server's sync_interval is always)"
	if !s.flushed {
		confirm = lossFlushedLater
	}
	return carillon.Description{Kind: "broker", Name: "NATS JetStream", Detail: map[string]string{
		"servers": hosts(s.url), "prefix": s.prefix, "replicas": strconv.Itoa(s.replicas), "confirm": confirm,
		"duplicates": s.duplicates.String(),
	}}
}

const lossFlushedLater = "power loss may take the messages of the last minutes (FlushedLater)"

// hosts leaves out of URLs what may be secret.
func hosts(urls string) string {
	var names []string
	for text := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil && u.Host != "" {
			names = append(names, u.Host)
		} else if !strings.Contains(text, "@") && text != "" {
			names = append(names, strings.TrimSpace(text))
		}
	}
	if len(names) == 0 {
		return "in process"
	}
	return strings.Join(names, ", ")
}
