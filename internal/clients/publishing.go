package clients

import (
	"fmt"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

// Turns gives messages without a key to one partition after another. The zero value is ready, and safe for concurrent use.
type Turns struct{ next atomic.Uint32 }

// Partition is where a message goes by its key, or in its turn where it has none.
func (t *Turns) Partition(key string, partitions int) int {
	if key == "" {
		return int(t.next.Add(1) % uint32(partitions))
	}
	return carillon.Partition(key, partitions)
}

// CheckSizes refuses messages when one of them has a payload of more than [carillon.MaxPayload].
func CheckSizes(messages []carillon.Message) error {
	for i := range messages {
		if size := len(messages[i].Payload); size > carillon.MaxPayload {
			return fmt.Errorf("message %q has a payload of %d bytes, the limit is %d: %w", messages[i].ID, size, carillon.MaxPayload, carillon.ErrTooLarge)
		}
	}
	return nil
}
