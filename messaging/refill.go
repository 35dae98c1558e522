package messaging

import (
	"context"
	"errors"
	"log/slog"

	"github.com/carillon-go/carillon"
)

const (
	// keptName is a subscription of the store's topics that nobody consumes: what was relayed stays for as long as the topic's retention.
	keptName = "kept"
	// incarnationRow holds which making of the broker's topic the relay has published to.
	incarnationRow = "incarnation"
)

// keeping names the subscriptions that keep what was relayed, for a broker that may have to be given it again.
func (e *Engine) keeping() []string {
	_, copies := e.broker.(carillon.Refillable)
	_, rewinds := e.outbox.(carillon.Rewinder)
	if !copies || !rewinds {
		return nil
	}
	return []string{keptName}
}

// refill has the relay begin anew when the broker's topic is not the one it has published to. What consumers have had comes again too, and
// their inboxes know it. It is noted last: an end in between repeats it.
func (e *Engine) refill(ctx context.Context, topic string) error {
	if len(e.keeping()) == 0 {
		return nil
	}
	incarnation := ""
	err := patiently(ctx, e.logger, "ask for the incarnation of a topic", func() (err error) {
		incarnation, err = e.broker.(carillon.Refillable).Incarnation(ctx, topic)
		return err
	})
	if err != nil {
		return err
	}
	ref := carillon.ModelRef{Name: relayName + "/" + topic}
	known, _, err := e.store.ReadModels().Row(ctx, ref, incarnationRow)
	if err != nil && !errors.Is(err, carillon.ErrNotFound) {
		return err
	}
	if string(known.Value) == incarnation {
		return nil
	}
	if len(known.Value) > 0 {
		e.logger.Warn("the broker has lost the topic, publishing again what the store keeps", slog.String("topic", topic))
	}
	if err := e.outbox.(carillon.Rewinder).Rewind(ctx, topic, relayName); err != nil {
		return err
	}
	return e.store.ReadModels().Update(ctx, ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		return tx.Put([]carillon.Row{{Key: incarnationRow, Value: []byte(incarnation)}})
	})
}
