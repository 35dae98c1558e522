package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// BrokerTimeout bounds each call of a broker to the database. Default: 10 s.
func BrokerTimeout(d time.Duration) Option { return func(s *Source) { s.brokerTimeout = d } }

// newHub makes what the store's brokers share.
func newHub(s *Store) *topics.Hub {
	t := &topicTables{Store: s, pruned: make(map[int64]int64)}
	settings := topics.Settings{
		Timeout: s.source.brokerTimeout,
		Capabilities: carillon.Capabilities{
			Broker: "PostgreSQL", Confirm: carillon.ConfirmedFlushed, Ack: carillon.AckWatermark, Order: carillon.OrderShared,
			OrderedPublish: true, Revocation: true, Probe: true, Bounded: true, Retained: true, Transactional: true,
			MaxPayload: carillon.MaxPayload,
		},
	}
	switch {
	case s.unsafe == "":
	case s.source.possibleLoss:
		settings.Capabilities.Confirm = carillon.ConfirmedBySystem
		settings.Capabilities.Losses = []string{fmt.Sprintf("the last messages, with a power cut (%s is off): WithPossibleLoss", s.unsafe)}
	default:
		settings.Unsafe = fmt.Errorf("%s is off, so that a power cut may take messages that were confirmed: turn it on, or open the database WithPossibleLoss: %w",
			s.unsafe, carillon.ErrUnsafe)
	}
	return topics.NewHub(topics.Tables{Registry: t, Messages: t, Shares: t}, settings)
}

// WithPossibleLoss takes a server for a broker that does not flush what it confirms. Default: such a broker is refused with
// [carillon.ErrUnsafe].
func WithPossibleLoss() Option { return func(s *Source) { s.possibleLoss = true } }

// Broker returns a client of the topics beside the log. Publishing returns when the messages are flushed, like an append; settling does
// when it is noted in memory: it is written within 50 milliseconds and not flushed, and after a crash what was settled last comes again.
func (s *Store) Broker() carillon.Broker { return s.hub.Broker(nil) }

// OpenBroker opens the database for its topics alone. Closing the broker closes the connections.
func (s Source) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	store, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	broker := store.(*Store).hub.Broker(store.Close)
	if err := broker.Safe(); err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	return broker, nil
}
