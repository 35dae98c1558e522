package kafka

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon"
)

// Servers is a Kafka cluster to open. It implements [carillon.BrokerOpener].
type Servers struct {
	seeds    []string
	settings settings
	invalid  error
}

// Brokers names a cluster by some of its brokers, each as host:port. It does no I/O.
func Brokers(seeds []string, options ...Option) Servers {
	s := Servers{seeds: append([]string(nil), seeds...), settings: defaults()}
	for _, option := range options {
		option(&s.settings)
	}
	if len(seeds) == 0 {
		s.invalid = carillon.Invalidf("Kafka cluster", "it is named by at least one broker, as host:port")
	}
	for _, seed := range seeds {
		if seed == "" {
			s.invalid = carillon.Invalidf("Kafka broker", "it is named as host:port")
		}
	}
	return s
}

// URL names a cluster as kafka://user:password@host:port,host:port. Its parameters are those of the options: tls (true or false), sasl
// (plain, scram-sha-256 or scram-sha-512, the default), prefix, replication and acks (all or leader). Options are applied after it.
// What is wrong with it, opening says. It does no I/O.
func URL(text string, options ...Option) Servers {
	seeds, fromURL, err := parse(text)
	s := Brokers(seeds, append(fromURL, options...)...)
	if err != nil {
		s.invalid = err
	}
	return s
}

// OpenBroker connects to the cluster. Errors: a [*carillon.InvalidError] for a URL or setting that is none, [carillon.ErrUnsafe] for one
// that loses confirmed messages, and [carillon.ErrUnavailable].
func (s Servers) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	if s.invalid != nil {
		return nil, s.invalid
	}
	if err := s.settings.check(); err != nil {
		return nil, err
	}
	return open(ctx, s)
}

// Describe describes the cluster, without credentials.
func (s Servers) Describe() carillon.Description {
	place := url.URL{Scheme: scheme, Host: strings.Join(s.seeds, ",")}
	detail := map[string]string{"prefix": s.settings.prefix, "tls": strconv.FormatBool(s.settings.tls != nil), "acks": s.settings.acks()}
	if s.settings.replication > 0 {
		detail["replication"] = strconv.Itoa(s.settings.replication)
	}
	return carillon.Description{Kind: "broker", Name: place.String(), Detail: detail}
}

const scheme = "kafka"

// parse reads a URL. Its errors do not repeat the URL, which may hold a password.
func parse(text string) (seeds []string, options []Option, err error) {
	rest, ok := strings.CutPrefix(text, scheme+"://")
	if !ok {
		return nil, nil, wrongURL("it begins with kafka://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimSuffix(rest, "/")
	user, password := "", ""
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		name, secret, _ := strings.Cut(rest[:at], ":")
		var wrong [2]error
		user, wrong[0] = url.PathUnescape(name)
		password, wrong[1] = url.PathUnescape(secret)
		if user == "" || wrong[0] != nil || wrong[1] != nil {
			return nil, nil, wrongURL("credentials are written user:password@, with % escapes")
		}
		rest = rest[at+1:]
	}
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, nil, wrongURL("its parameters are written name=value&name=value")
	}
	mechanism := parameters.Get("sasl")
	if user == "" && mechanism != "" {
		return nil, nil, wrongURL("sasl goes with credentials")
	}
	for name, values := range parameters {
		option, err := parameter(name, values[len(values)-1])
		if err != nil {
			return nil, nil, err
		}
		options = append(options, option)
	}
	if user != "" {
		option, err := credentials(mechanism, user, password)
		if err != nil {
			return nil, nil, err
		}
		options = append(options, option)
	}
	return strings.Split(rest, ","), options, nil
}

// parameter makes an option of a URL's parameter.
func parameter(name, value string) (Option, error) {
	switch name {
	case "tls":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return nil, wrongURL("tls is true or false")
		}
		if on {
			return TLS(nil), nil
		}
		return func(s *settings) { s.tls = nil }, nil
	case "sasl": // goes with the credentials
		return func(*settings) {}, nil
	case "prefix":
		return Prefix(value), nil
	case "replication":
		replicas, err := strconv.Atoi(value)
		if err != nil || replicas < 1 {
			return nil, wrongURL("replication is a number of replicas")
		}
		return Replication(replicas), nil
	case "acks":
		return acksFromURL(value)
	default:
		return nil, wrongURL("its parameters are tls, sasl, prefix, replication and acks, not " + strconv.Quote(name))
	}
}

func acksFromURL(value string) (Option, error) {
	switch value {
	case acksAll, "-1":
		return func(s *settings) { s.leaderConfirms = false }, nil
	case acksLeader, "1":
		return ConfirmedByLeader(), nil
	default:
		return nil, wrongURL("acks is all, or leader; a message nobody confirms cannot be published")
	}
}

func credentials(mechanism, user, password string) (Option, error) {
	switch mechanism {
	case "", "scram-sha-512":
		return ScramSHA512(user, password), nil
	case "scram-sha-256":
		return ScramSHA256(user, password), nil
	case "plain":
		return Plain(user, password), nil
	default:
		return nil, wrongURL("sasl is plain, scram-sha-256 or scram-sha-512")
	}
}

func wrongURL(rule string) error { return carillon.Invalidf("URL of a Kafka cluster", "%s", rule) }
