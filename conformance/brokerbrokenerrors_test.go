package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

func brokenErrors() []brokenBroker {
	other := func(kind, instead error) BrokerOpener {
		return alterErrors(func(err error) error {
			if errors.Is(err, kind) {
				return fmt.Errorf("another kind: %w", instead)
			}
			return err
		})
	}
	wrong := errors.New("something went wrong")
	return []brokenBroker{
		{"does not say ErrInvalid", other(carillon.ErrInvalid, wrong), []string{"declare what is wrong"}},
		{"does not say ErrConflict", other(carillon.ErrConflict, carillon.ErrInvalid), []string{"declare what is wrong"}},
		{"does not say ErrNotFound", other(carillon.ErrNotFound, carillon.ErrUnroutable), []string{"undeclared", "backlog"}},
		{"does not say ErrTooLarge", other(carillon.ErrTooLarge, carillon.ErrInvalid), []string{"publish too much"}},
		{"does not say ErrUnroutable", other(carillon.ErrUnroutable, carillon.ErrNotFound), []string{"publish to nobody"}},
		{"does not say ErrTopicFull", other(carillon.ErrTopicFull, carillon.ErrTooLarge), []string{"publish into a full topic", "publish more than fits"}},
		{"does not say which messages a full topic refused", other(carillon.ErrTopicFull, carillon.ErrTopicFull), []string{
			"publish into a full topic", "publish more than fits",
		}},
		{"does not say ErrClosed", other(carillon.ErrClosed, carillon.ErrUnavailable), []string{"close the broker"}},
		{"does not say that a context was cancelled", other(context.Canceled, carillon.ErrTimeout), []string{"publish cancelled"}},
		{"does not say ErrUnsupported", alterBroker(func(b *alteredBroker) {
			b.can.Bounded = false
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				if topics[0].Check() == nil && topics[0].Limit > 0 {
					return carillon.ErrInvalid
				}
				return b.Broker.Declare(ctx, topics...)
			}
		}), []string{"declare what is wrong"}},
		{"does not say ErrInUse", oneClient(carillon.ErrUnavailable), []string{"consumers share", "close the broker"}},
		{"says that a context ended when it was closed", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if errors.Is(err, carillon.ErrClosed) {
					return nil, context.Canceled
				}
				return deliveries, err
			}
		}), []string{"close a subscription", "close the broker"}},
		{"says that it was closed when a context ended", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if err != nil {
					return nil, carillon.ErrClosed
				}
				return deliveries, nil
			}
		}), []string{"wait for a message"}},
	}
}
