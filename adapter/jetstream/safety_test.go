package jetstream_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	client "github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// connect makes a client of the server's own.
func connect(t testing.TB, url string, options ...nats.Option) (*nats.Conn, client.JetStream) {
	t.Helper()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := client.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// TestUnsafeStreams refuses topics whose stream loses messages, however it came to be.
func TestUnsafeStreams(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	_, js := connect(t, url)
	b := open(t, url)
	tests := []struct {
		name, setting string
		config        client.StreamConfig
	}{
		{name: "memory", setting: "memory", config: client.StreamConfig{Storage: client.MemoryStorage}},
		{name: "async", setting: "persist_mode", config: client.StreamConfig{PersistMode: client.AsyncPersistMode}},
		{name: "no-ack", setting: "no_ack", config: client.StreamConfig{NoAck: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.config.Name, test.config.Subjects = "carillon_"+test.name, []string{"carillon." + test.name + ".*"}
			test.config.Metadata = map[string]string{"carillon.partitions": "8"}
			if _, err := js.CreateStream(t.Context(), test.config); err != nil {
				t.Fatal(err)
			}
			err := b.Declare(t.Context(), carillon.Topic{Name: test.name})
			if !errors.Is(err, carillon.ErrUnsafe) || !strings.Contains(err.Error(), test.setting) {
				t.Errorf("declared: %v", err)
			}
			err = b.Publish(t.Context(), test.name, []carillon.Message{message("a", 1)})
			if !errors.Is(err, carillon.ErrUnsafe) {
				t.Errorf("published: %v", err)
			}
		})
	}
	t.Run("of somebody else", func(t *testing.T) {
		if _, err := js.CreateStream(t.Context(), client.StreamConfig{Name: "carillon_other", Subjects: []string{"carillon.other.*"}}); err != nil {
			t.Fatal(err)
		}
		if err := b.Declare(t.Context(), carillon.Topic{Name: "other"}); !errors.Is(err, carillon.ErrConflict) {
			t.Errorf("declared: %v", err)
		}
	})
}

// TestUnsafeBucket refuses a bucket in memory.
func TestUnsafeBucket(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	_, js := connect(t, url)
	if _, err := js.CreateKeyValue(t.Context(), client.KeyValueConfig{Bucket: "carillon", Storage: client.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if _, err := jetstream.Server(url).OpenBroker(t.Context()); !errors.Is(err, carillon.ErrUnsafe) {
		t.Errorf("opened: %v", err)
	}
}

// TestOptions refuses options that are none or lose messages, before any I/O.
func TestOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		option jetstream.Option
		want   error
	}{
		{name: "even replicas", option: jetstream.Replicas(2), want: carillon.ErrUnsafe},
		{name: "no replicas", option: jetstream.Replicas(0), want: carillon.ErrInvalid},
		{name: "a prefix with dots", option: jetstream.Prefix("a.b"), want: carillon.ErrInvalid},
		{name: "no time-out", option: jetstream.Timeout(0), want: carillon.ErrInvalid},
		{name: "no window", option: jetstream.Duplicates(0), want: carillon.ErrInvalid},
		{name: "nobody there", option: jetstream.Timeout(time.Second), want: carillon.ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := jetstream.Server("nats://127.0.0.1:1", test.option).OpenBroker(t.Context()); !errors.Is(err, test.want) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	detail := jetstream.Server("nats://me:secret@one:4222,nats://two", jetstream.FlushedLater()).Describe().Detail
	if detail["servers"] != "one:4222, two" || !strings.Contains(detail["confirm"], "power loss") {
		t.Errorf("described as %v", detail)
	}
}

// TestWithoutJetStream says what is missing.
func TestWithoutJetStream(t *testing.T) {
	t.Parallel()
	url := startServer(t, func(o *server.Options) { o.JetStream = false }).ClientURL()
	if _, err := jetstream.Server(url).OpenBroker(t.Context()); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("opened: %v", err)
	}
}

// TestUser signs in.
func TestUser(t *testing.T) {
	t.Parallel()
	url := startServer(t, func(o *server.Options) { o.Username, o.Password = "me", "secret" }).ClientURL()
	open(t, url, jetstream.User("me", "secret"))
	if _, err := jetstream.Server(url, jetstream.User("me", "wrong")).OpenBroker(t.Context()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("with a wrong password: %v", err)
	}
}
