package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/carillon-go/carillon"
)

// Option changes a default of [Brokers] and [URL].
type Option func(*settings)

type settings struct {
	prefix         string
	replication    int // 0 asks the cluster
	leaderConfirms bool
	lossWithLeader bool
	timeout, drain time.Duration
	tls            *tls.Config
	mechanism      sasl.Mechanism
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
	logger         *slog.Logger
}

func defaults() settings {
	return settings{timeout: 10 * time.Second, drain: 3 * time.Second, logger: slog.New(slog.DiscardHandler)}
}

// Prefix begins the names of all topics and groups, so that several systems can share a cluster. It has at most 64 letters, digits and
// any of ". _ -". The default is none.
func Prefix(prefix string) Option { return func(s *settings) { s.prefix = prefix } }

// Replication is how many replicas the topics declared have, and at least how many those that are there already must have. From three on
// a message is confirmed by more than half of them. The default is three, or one where the cluster has fewer than three brokers.
func Replication(replicas int) Option { return func(s *settings) { s.replication = replicas } }

// ConfirmedByLeader confirms a message as soon as the leader of its partition has it. It needs [AllowLossWithLeader].
func ConfirmedByLeader() Option { return func(s *settings) { s.leaderConfirms = true } }

// AllowLossWithLeader accepts settings that lose confirmed messages with one broker: [ConfirmedByLeader], topics of three replicas or
// more with a min.insync.replicas of 1, and topics with unclean.leader.election.enable.
func AllowLossWithLeader() Option { return func(s *settings) { s.lossWithLeader = true } }

// Timeout is how long a call takes at most, beside what its context says, and in which connections that are silent are given up. The
// default is 10 s.
func Timeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// Drain is how long a consumer may go on settling what it holds of a partition that goes to another consumer, before it is told that the
// rest is lost. It is never longer than the AckDeadline. The default is 3 s.
func Drain(drain time.Duration) Option { return func(s *settings) { s.drain = drain } }

// TLS encrypts the connections. The configuration nil is Go's default, which trusts the system's authorities.
func TLS(config *tls.Config) Option {
	return func(s *settings) {
		if config == nil {
			config = new(tls.Config)
		}
		s.tls = config.Clone()
	}
}

// ScramSHA256 authenticates by SASL with SCRAM-SHA-256.
func ScramSHA256(user, password string) Option {
	return func(s *settings) { s.mechanism = scram.Auth{User: user, Pass: password}.AsSha256Mechanism() }
}

// ScramSHA512 authenticates by SASL with SCRAM-SHA-512.
func ScramSHA512(user, password string) Option {
	return func(s *settings) { s.mechanism = scram.Auth{User: user, Pass: password}.AsSha512Mechanism() }
}

// Plain authenticates by SASL with PLAIN, which sends the password as it is: use it with [TLS].
func Plain(user, password string) Option {
	return func(s *settings) { s.mechanism = plain.Auth{User: user, Pass: password}.AsMechanism() }
}

// OAuth authenticates by SASL with OAUTHBEARER. It asks for a token for each connection.
func OAuth(token func(ctx context.Context) (string, error)) Option {
	return func(s *settings) {
		s.mechanism = oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			text, err := token(ctx)
			return oauth.Auth{Token: text}, err
		})
	}
}

// Dialer makes the connections, such as through a proxy. TLS goes over what it returns.
func Dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *settings) { s.dial = dial }
}

// Logger is told what happens to connections and groups. The default is silence.
func Logger(logger *slog.Logger) Option { return func(s *settings) { s.logger = logger } }

// The values of acks, as descriptions and URLs have them.
const (
	acksAll    = "all"
	acksLeader = "leader"
)

func (s *settings) acks() string {
	if s.leaderConfirms {
		return acksLeader
	}
	return acksAll
}

var prefixRule = regexp.MustCompile(`^[a-zA-Z0-9._-]{0,64}$`)

// check refuses settings that are none, and those that lose messages.
func (s *settings) check() error {
	switch {
	case !prefixRule.MatchString(s.prefix):
		return carillon.Invalidf(fmt.Sprintf("prefix %q", s.prefix), "a prefix has at most 64 letters, digits and any of . _ -")
	case s.replication < 0 || s.replication > 1<<10:
		return carillon.Invalidf("replication", "a topic has 1 replica or more, not %d", s.replication)
	case s.timeout <= 0:
		return carillon.Invalidf("timeout", "a call takes longer than %v", s.timeout)
	case s.drain < 0:
		return carillon.Invalidf("drain", "it is a time to wait, not %v", s.drain)
	case s.logger == nil:
		return carillon.Invalidf("logger", "it is a logger; without the option nothing is logged")
	case s.leaderConfirms && !s.lossWithLeader:
		return fmt.Errorf("acks=leader confirms messages that are lost with the leader: leave it out, or allow it by AllowLossWithLeader: %w",
			carillon.ErrUnsafe)
	}
	return nil
}

// losses names what may be lost although it was confirmed.
func (s *settings) losses() []string {
	if !s.lossWithLeader {
		return nil
	}
	return []string{"AllowLossWithLeader: confirmed messages may be lost with the leader of their partition"}
}
