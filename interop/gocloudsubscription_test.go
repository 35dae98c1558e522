package interop

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/gcerrors"
	"gocloud.dev/pubsub/driver"

	"github.com/carillon-go/carillon"
)

// cloudSubscription is gocloud.dev's driver of a subscription over a broker of Carillon. A broker knows no refusal, so a delivery that is
// refused is kept here and given out again.
type cloudSubscription struct {
	broker      carillon.Broker
	topic, name string
	receiving   chan struct{} // holds one while somebody receives

	mu      sync.Mutex
	joined  carillon.Subscription // nil before the first call
	held    []*carillon.Delivery  // with the user
	refused []*carillon.Delivery  // to be given out again
}

func newCloudSubscription(broker carillon.Broker, topic, name string) *cloudSubscription {
	return &cloudSubscription{broker: broker, topic: topic, name: name, receiving: make(chan struct{}, 1)}
}

// pollTime is how long a call waits for messages, as the suite wants it.
const pollTime = 500 * time.Millisecond

func (s *cloudSubscription) ReceiveBatch(ctx context.Context, limit int) ([]*driver.Message, error) {
	select {
	case s.receiving <- struct{}{}:
		defer func() { <-s.receiving }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	joined, err := s.join(ctx)
	if err != nil {
		return nil, err
	}
	if again := s.again(limit); len(again) > 0 {
		return s.give(again), nil
	}
	polling, stop := context.WithTimeout(ctx, pollTime)
	defer stop()
	deliveries, err := joined.Receive(polling, limit)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	received := make([]*carillon.Delivery, len(deliveries))
	for i := range deliveries {
		received[i] = &deliveries[i]
	}
	return s.give(received), nil
}

// join joins the subscription, once.
func (s *cloudSubscription) join(ctx context.Context) (carillon.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.joined == nil {
		joined, err := s.broker.Subscribe(ctx, s.topic, s.name, carillon.SubscribeOptions{})
		if err != nil {
			return nil, err
		}
		s.joined = joined
	}
	return s.joined, nil
}

// again takes what was refused, in the order it was received in.
func (s *cloudSubscription) again(limit int) []*carillon.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := min(limit, len(s.refused))
	taken := slices.Clone(s.refused[:count])
	s.refused = s.refused[count:]
	return taken
}

// give hands deliveries out.
func (s *cloudSubscription) give(deliveries []*carillon.Delivery) []*driver.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := make([]*driver.Message, len(deliveries))
	for i, d := range deliveries {
		s.held = append(s.held, d)
		messages[i] = &driver.Message{LoggableID: d.Message.ID, Body: d.Message.Payload, AckID: d, AsFunc: nothingElse}
		for name, value := range d.Message.Headers {
			if messages[i].Metadata == nil {
				messages[i].Metadata = make(map[string]string)
			}
			if escaped, ok := strings.CutPrefix(name, escapedName); ok {
				if plain, err := url.PathUnescape(escaped); err == nil {
					name = plain
				}
			}
			messages[i].Metadata[name] = value
		}
	}
	return messages
}

// drop takes those of some deliveries that the user has, and returns them.
func (s *cloudSubscription) drop(ackIDs []driver.AckID) []*carillon.Delivery {
	var dropped []*carillon.Delivery
	for _, id := range ackIDs {
		d, _ := id.(*carillon.Delivery)
		if i := slices.Index(s.held, d); i >= 0 {
			s.held = slices.Delete(s.held, i, i+1)
			dropped = append(dropped, d)
		}
	}
	return dropped
}

func (s *cloudSubscription) SendAcks(ctx context.Context, ackIDs []driver.AckID) error {
	s.mu.Lock()
	dropped, joined := s.drop(ackIDs), s.joined
	s.mu.Unlock()
	deliveries := make([]carillon.Delivery, len(dropped))
	for i, d := range dropped {
		deliveries[i] = *d
	}
	if len(deliveries) == 0 {
		return nil // they were settled before
	}
	return joined.Ack(ctx, deliveries)
}

func (*cloudSubscription) CanNack() bool { return true }

func (s *cloudSubscription) SendNacks(_ context.Context, ackIDs []driver.AckID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, s.drop(ackIDs)...)
	return nil
}

func (*cloudSubscription) IsRetryable(err error) bool { return errors.Is(err, carillon.ErrUnavailable) }
func (*cloudSubscription) As(any) bool                { return false }
func (*cloudSubscription) ErrorAs(error, any) bool    { return false }

func (*cloudSubscription) ErrorCode(err error) gcerrors.ErrorCode { return cloudCode(err) }

func (s *cloudSubscription) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.joined == nil {
		return nil
	}
	return s.joined.Close()
}
