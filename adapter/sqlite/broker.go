package sqlite

import (
	"context"
	"errors"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// newHub makes what the store's brokers share.
func newHub(s *Store) *topics.Hub {
	t := newTopicTables(s)
	return topics.NewHub(topics.Tables{Registry: t, Messages: t, Shares: t.local}, topics.Settings{Capabilities: s.source.capabilities(), Alone: true})
}

// Broker returns a client of the topics beside the log. Publishing returns when the messages are flushed, like an append; settling does
// when it is noted in memory: it is written within 50 milliseconds and not flushed, and after a crash what was settled last comes again.
func (s *Store) Broker() carillon.Broker { return s.hub.Broker(nil) }

// OpenBroker opens the file for its topics alone. Closing the broker closes the file.
func (s *Source) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	store, err := open(ctx, *s)
	if err != nil {
		return nil, err
	}
	return store.hub.Broker(store.Close), nil
}

func (s *Source) capabilities() carillon.Capabilities {
	can := carillon.Capabilities{
		Broker: "SQLite", Confirm: carillon.ConfirmedFlushed, Ack: carillon.AckWatermark, Order: carillon.OrderShared,
		OrderedPublish: true, Revocation: true, Probe: true, Bounded: true, Retained: true, Transactional: true,
		MaxPayload: carillon.MaxPayload,
	}
	if s.loss != NoLoss {
		can.Confirm = carillon.ConfirmedBySystem
		can.Losses = []string{map[Loss]string{
			LastCommits: "the last messages, with a power cut: WithPossibleLoss(LastCommits)",
			WholeFile:   "all messages, with a power cut: WithPossibleLoss(WholeFile)",
		}[s.loss]}
	}
	return can
}

// Publish adds messages to a topic. They are written at once, and seen when the transaction commits.
func (u *update) Publish(name string, messages []carillon.Message) error {
	publication, err := u.hub.Prepare(name, messages, func(name string) (topics.Topic, error) { return findTopic(u.conn, name) })
	if err != nil || len(messages) == 0 {
		return err
	}
	p := newPublisher(u.conn)
	if err := p.publish(publication); err != nil {
		u.broken = errors.Join(u.broken, err)
		return err
	}
	if publication.Err != nil {
		return publication.Err
	}
	if err := p.finish(); err != nil {
		u.broken = errors.Join(u.broken, err)
		return err
	}
	u.published = append(u.published, publication)
	return nil
}
