package rabbitmq

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// unreadableID names a delivery that is no CloudEvent by its content, for AMQP shows no position that would stay the same: what is
// delivered again keeps its id.
func unreadableID(d *amqp.Delivery) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %q %d\n", d.Exchange, d.RoutingKey, d.MessageId, d.ContentType, d.Timestamp.UnixMicro())
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		if !counting(name) {
			fmt.Fprintf(sum, "%q %q\n", name, text(d.Headers[name]))
		}
	}
	sum.Write(d.Body)
	return "unreadable-" + hex.EncodeToString(sum.Sum(nil)[:16])
}
