package cli

import (
	"net/url"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

const brokerForms = "nats://HOST:PORT"

// brokerFlag is a broker named on the command line.
type brokerFlag struct{ url string }

// opener gives the broker a URL names.
func (b brokerFlag) opener() (carillon.BrokerOpener, error) {
	scheme, _, _ := strings.Cut(b.url, ":")
	if _, err := url.Parse(b.url); err != nil {
		return nil, usagef("--broker: the URL cannot be read: name a broker as %s", brokerForms) // it may hold a password
	}
	switch strings.ToLower(scheme) {
	case "nats", "tls":
		return jetstream.Server(b.url), nil
	default:
		return nil, usagef("--broker: no brokers of that kind here: name one as %s", brokerForms)
	}
}
