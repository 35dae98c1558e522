package rabbitmq

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
)

// What consumers tell one another, in the property type of a message. The message id names the consumer that speaks.
const (
	sayHello = "hello" // a consumer is new, and wants to know the others
	sayHere  = "here"  // a consumer is there; the header "members" says how many it knows
	sayGone  = "gone"  // a consumer has left or is no more
	sayAsk   = "ask"   // somebody wants to know how much is unsettled
	sayHolds = "holds" // so much, in the header "unsettled"
)

// announcer sends what consumers tell one another. It uses the connection for publishing: a server that runs out of memory reads
// nothing from a connection that publishes, and acknowledgements must get through.
type announcer struct {
	broker *Broker

	mu   sync.Mutex
	conn *connection
	ch   *amqp.Channel
}

func (a *announcer) say(ctx context.Context, exchange, key string, message amqp.Publishing) error {
	conn, err := a.broker.outgoing.get(ctx)
	if err != nil {
		return err
	}
	if conn.blocked.Load() {
		return fmt.Errorf("rabbitmq takes no messages now: %w", carillon.ErrUnavailable)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ch == nil || a.conn != conn || a.ch.IsClosed() {
		if a.ch, err = conn.Channel(); err != nil {
			return unavailable(err)
		}
		a.conn = conn
	}
	if err := a.ch.Publish(exchange, key, false, false, message); err != nil {
		return unavailable(err)
	}
	return nil
}
