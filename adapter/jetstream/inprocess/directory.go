package inprocess

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

const (
	// maxMessage is the largest message with its headers: the largest payload and room for them.
	maxMessage = carillon.MaxPayload + 64<<10
	// maxMemory bounds what the server keeps in memory only. Nothing of ours is.
	maxMemory = 16 << 20
)

// Source is a directory with a server's files. It implements [carillon.BrokerOpener] and [carillon.Describer].
type Source struct {
	path       string
	flushed    bool
	maxStore   int64
	duplicates time.Duration
	timeout    time.Duration
	log        *slog.Logger
}

// Option changes a default of [Directory].
type Option func(*Source)

// FlushedLater confirms messages before they are flushed to the disk, which is much faster: those of the last minutes are lost when
// the machine loses power. Killing the process loses nothing.
func FlushedLater() Option { return func(s *Source) { s.flushed = false } }

// MaxStore sets how many bytes the server's files may take; what does not fit is refused. Default: three quarters of what the disk
// has free.
func MaxStore(bytes int64) Option { return func(s *Source) { s.maxStore = bytes } }

// Duplicates sets for how long a message that is published again under its id is dropped. Default: 2 minutes.
func Duplicates(window time.Duration) Option { return func(s *Source) { s.duplicates = window } }

// Timeout bounds each call beside its context. Default: 10 s.
func Timeout(d time.Duration) Option { return func(s *Source) { s.timeout = d } }

// Log says where the server's warnings are logged. Default: nowhere.
func Log(logger *slog.Logger) Option { return func(s *Source) { s.log = logger } }

// Directory names a directory; opening the broker makes it if it is not there. It does no I/O.
func Directory(path string, options ...Option) Source {
	s := Source{
		path: path, flushed: true, duplicates: 2 * time.Minute, timeout: 10 * time.Second, log: slog.New(slog.DiscardHandler),
	}
	for _, option := range options {
		option(&s)
	}
	return s
}

// Describe names the directory and what a confirm means.
func (s Source) Describe() carillon.Description {
	confirm := "flushed before confirmed"
	if !s.flushed {
		confirm = "power loss may take the messages of the last minutes (FlushedLater)"
	}
	return carillon.Description{Kind: "broker", Name: "NATS JetStream in process", Detail: map[string]string{
		"directory": s.path, "confirm": confirm, "duplicates": s.duplicates.String(),
	}}
}

// OpenBroker starts the server. The error wraps [carillon.ErrInUse] when another process has the directory.
func (s Source) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	if s.path == "" {
		return nil, carillon.Invalidf("directory", "it has a name")
	}
	if err := os.MkdirAll(s.path, 0o700); err != nil {
		return nil, fmt.Errorf("broker directory: %w", err)
	}
	lock := flock.New(filepath.Join(s.path, "carillon.lock"))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("locking %s: %w", lock.Path(), err)
	case !ok:
		return nil, fmt.Errorf("broker directory %s: %w", s.path, carillon.ErrInUse)
	}
	b := &broker{lock: lock}
	if err := b.start(ctx, s); err != nil {
		return nil, errors.Join(fmt.Errorf("broker directory %s: %w", s.path, err), b.Close())
	}
	return b, nil
}

func (s Source) serverOptions() *server.Options {
	return &server.Options{
		ServerName: "carillon", DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: s.path, SyncAlways: s.flushed,
		JetStreamMaxMemory: maxMemory, JetStreamMaxStore: s.maxStore, MaxPayload: maxMessage, DisableJetStreamBanner: true,
	}
}

// client makes the broker that talks to a server in process.
func (s Source) client(srv *server.Server) carillon.BrokerOpener {
	options := []jetstream.Option{
		jetstream.Connect(nats.InProcessServer(srv)), jetstream.Duplicates(s.duplicates), jetstream.Timeout(s.timeout), jetstream.Log(s.log),
	}
	if !s.flushed {
		options = append(options, jetstream.FlushedLater())
	}
	return jetstream.Server("", options...)
}
