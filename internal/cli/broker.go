package cli

import (
	"net/url"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/adapter/redisstream"
)

const brokerForms = "nats://, kafka://, amqp:// or redis://HOST:PORT, or postgres://HOST/DATABASE, and ?prefix=NAME to tell demos on one broker apart"

// brokerFlag is a broker named on the command line.
type brokerFlag struct{ url string }

// opener gives the broker a URL names.
func (b brokerFlag) opener() (carillon.BrokerOpener, error) {
	scheme, _, _ := strings.Cut(b.url, ":")
	parsed, err := url.Parse(b.url)
	if err != nil {
		return nil, usagef("--broker: the URL cannot be read: name a broker as %s", brokerForms) // it may hold a password
	}
	parameters := parsed.Query()
	prefix := parameters.Get("prefix")
	parameters.Del("prefix")
	parsed.RawQuery = parameters.Encode()
	switch strings.ToLower(scheme) {
	case "nats", "tls":
		var options []jetstream.Option
		if prefix != "" {
			options = append(options, jetstream.Prefix(prefix))
		}
		return jetstream.Server(parsed.String(), options...), nil
	case "amqp", "amqps":
		var options []rabbitmq.Option
		if prefix != "" {
			options = append(options, rabbitmq.Prefix(prefix))
		}
		return rabbitmq.Server(parsed.String(), options...), nil
	case "redis", "rediss":
		var options []redisstream.Option
		if prefix != "" {
			options = append(options, redisstream.Prefix(prefix))
		}
		return redisstream.Server(parsed.String(), options...), nil
	case "postgres", "postgresql":
		var options []postgres.Option
		if prefix != "" {
			options = append(options, postgres.Schema(schemaOf(prefix)))
		}
		return postgres.URL(parsed.String(), options...), nil
	case "kafka":
		return kafka.URL(b.url), nil // which knows the parameter
	default:
		return nil, usagef("--broker: no brokers of that kind here: name one as %s", brokerForms)
	}
}

// schemaOf is the schema that a prefix names, which has underscores where it has hyphens.
func schemaOf(prefix string) string { return strings.ReplaceAll(prefix, "-", "_") }
