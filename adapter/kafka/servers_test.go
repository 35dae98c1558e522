package kafka_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestURL reads URLs. Opening those that are right goes on to a host that is none.
func TestURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url string
		options   []kafka.Option
		want      error
		describes carillon.Description
	}{
		{name: "one broker", url: "kafka://a.invalid:9092", want: carillon.ErrUnavailable, describes: description("kafka://a.invalid:9092", "", "false", "all")},
		{
			name: "everything", url: "kafka://me:p%40ss@a.invalid:1,b.invalid:2/?tls=true&sasl=plain&prefix=x-&replication=2&acks=all",
			want: carillon.ErrUnavailable, describes: replicated(description("kafka://a.invalid:1,b.invalid:2", "x-", "true", "all")),
		},
		{name: "acks of the leader", url: "kafka://a.invalid:1?acks=1", want: carillon.ErrUnsafe, describes: description("kafka://a.invalid:1", "", "false", "leader")},
		{
			name: "acks of the leader, allowed", url: "kafka://a.invalid:1?acks=leader", options: []kafka.Option{kafka.AllowLossWithLeader()},
			want: carillon.ErrUnavailable, describes: description("kafka://a.invalid:1", "", "false", "leader"),
		},
		{name: "no acks", url: "kafka://secret@a:1?acks=0", want: carillon.ErrInvalid},
		{name: "another scheme", url: "amqp://secret@a:1", want: carillon.ErrInvalid},
		{name: "no broker", url: "kafka://", want: carillon.ErrInvalid},
		{name: "a wrong mechanism", url: "kafka://u:secret@a:1?sasl=gssapi", want: carillon.ErrInvalid},
		{name: "a mechanism without a user", url: "kafka://a:1?sasl=plain", want: carillon.ErrInvalid},
		{name: "an unknown parameter", url: "kafka://u:secret@a:1?linger=5", want: carillon.ErrInvalid},
		{name: "a wrong prefix", url: "kafka://u:secret@a:1?prefix=a%20b", want: carillon.ErrInvalid},
		{name: "no replicas", url: "kafka://u:secret@a:1?replication=0", want: carillon.ErrInvalid},
		{name: "a wrong escape", url: "kafka://u:%zzsecret@a:1", want: carillon.ErrInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opener := kafka.URL(test.url, test.options...)
			_, err := opener.OpenBroker(t.Context())
			if !errors.Is(err, test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("opening gives error %v, want %v, without the secret", err, test.want)
			}
			if test.want == carillon.ErrInvalid { //nolint:errorlint // it is the one of the table
				return
			}
			if diff := cmp.Diff(test.describes, opener.Describe()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func description(name, prefix, encrypted, acks string) carillon.Description {
	return carillon.Description{Kind: "broker", Name: name, Detail: map[string]string{"prefix": prefix, "tls": encrypted, "acks": acks}}
}

func replicated(d carillon.Description) carillon.Description {
	d.Detail["replication"] = "2"
	return d
}

// TestSecured connects over TLS, with credentials of each kind.
func TestSecured(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // for its certificate
	server.Close()
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	trusting := &tls.Config{RootCAs: authorities, ServerName: "example.com"}
	seeds := cluster(t, kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates}), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "plain", "p"), kfake.Superuser("SCRAM-SHA-256", "scram", "s"), kfake.Superuser("SCRAM-SHA-512", "scram512", "s"))
	for name, test := range map[string]struct {
		options []kafka.Option
		fails   bool
	}{
		"plain":               {options: []kafka.Option{kafka.TLS(trusting), kafka.Plain("plain", "p")}},
		"SCRAM-SHA-256":       {options: []kafka.Option{kafka.TLS(trusting), kafka.ScramSHA256("scram", "s")}},
		"SCRAM-SHA-512":       {options: []kafka.Option{kafka.TLS(trusting), kafka.ScramSHA512("scram512", "s")}},
		"a wrong password":    {options: []kafka.Option{kafka.TLS(trusting), kafka.Plain("plain", "wrong")}, fails: true},
		"a wrong certificate": {options: []kafka.Option{kafka.TLS(nil), kafka.Plain("plain", "p")}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.fails {
				if _, err := kafka.Brokers(seeds, test.options...).OpenBroker(t.Context()); err == nil {
					t.Error("the broker was opened")
				}
				return
			}
			broker := traffic.Open(t, kafka.Brokers(seeds, append(test.options, kafka.Prefix(unique()))...))
			declare(t, broker, "billing")
			publish(t, broker, numbered(0, 1)...)
			joined := subscribe(t, broker, carillon.SubscribeOptions{})
			if got := ids(receive(t, joined, 1)); got[0] != "m0" {
				t.Errorf("received %v", got)
			}
		})
	}
}
