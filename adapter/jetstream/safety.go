package jetstream

import (
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// checkVersion refuses servers that lose messages, or let in whom they should not.
func checkVersion(version string) error {
	major, minor, patch, ok := parseVersion(version)
	switch {
	case !ok:
		return unsafe("the server's version %q is none: use 2.14.0 or later", version)
	case major > 2, major == 2 && minor >= 14, major == 2 && minor == 12 && patch >= 7:
		return nil
	default:
		return unsafe("server %s: update it to 2.12.7, or to 2.14.0 or later", version)
	}
}

func parseVersion(version string) (major, minor, patch int, ok bool) {
	n, _ := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch)
	return major, minor, patch, n == 3
}

// checkStream refuses a stream that loses what it has confirmed.
func checkStream(config jetstream.StreamConfig) error {
	switch {
	case config.Storage != jetstream.FileStorage:
		return unsafe("stream %s is kept in memory: make it anew with file storage", config.Name)
	case config.PersistMode == jetstream.AsyncPersistMode:
		return unsafe("stream %s has persist_mode async: make it anew without", config.Name)
	case config.Replicas%2 == 0:
		return unsafe("stream %s has %d replicas: give it %d", config.Name, config.Replicas, config.Replicas+1)
	case config.NoAck:
		return unsafe("stream %s confirms nothing (no_ack): make it anew without", config.Name)
	default:
		return nil
	}
}
