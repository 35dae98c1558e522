package eventlog

import (
	"sync"

	"github.com/carillon-go/carillon"
)

// Entry is an event as a follower receives it, with room for its decoded value, which all followers of a page share.
type Entry struct {
	*carillon.Recorded

	mu      sync.Mutex
	decoded any // a pointer to the value
}

// Decode returns the entry's payload as an E. The payload is decoded once for all who ask for the same type, so nobody may
// change what the value refers to. It is safe for concurrent use.
func Decode[E any](codec carillon.Codec, entry *Entry) (E, error) {
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if value, ok := entry.decoded.(*E); ok {
		return *value, nil
	}
	value := new(E)
	if err := codec.Decode(entry.Payload, value); err != nil {
		return *value, err
	}
	if entry.decoded == nil {
		entry.decoded = value
	}
	return *value, nil
}
