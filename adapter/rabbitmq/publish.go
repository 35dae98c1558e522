package rabbitmq

import (
	"context"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// Publish publishes messages and waits until a majority of each queue's members has written every one.
func (b *Broker) Publish(ctx context.Context, name string, messages []carillon.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if err := clients.CheckSizes(messages); err != nil {
		return err
	}
	ctx, end, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	t, err := b.topic(ctx, name)
	if err != nil {
		return carillon.Unconfirmed(0, len(messages), err)
	}
	encoded, keys := make([]amqp.Publishing, len(messages)), make([]string, len(messages))
	for i := range messages {
		encoded[i], keys[i] = encode(&messages[i]), strconv.Itoa(t.partition(messages[i].Key))
	}
	if err := ctx.Err(); err != nil {
		return carillon.Unconfirmed(0, len(messages), ended(ctx))
	}
	if t.bounded.Load() && len(messages) > 1 {
		return failure(b.publishInTurn(ctx, t, encoded, keys))
	}
	outcomes := b.publisher.do(ctx, newCall(t, b.names.topic(name), encoded, keys))
	return failure(outcomes)
}

// publishInTurn publishes one message of each partition at a time, and no more to a partition that has refused one: where a topic may
// be full, the server could take a later message after it has refused an earlier one.
func (b *Broker) publishInTurn(ctx context.Context, t *topic, messages []amqp.Publishing, keys []string) []error {
	outcomes := make([]error, len(messages))
	waiting := make([]int, len(messages))
	for i := range waiting {
		waiting[i] = i
	}
	refused := make(map[string]error)
	for len(waiting) > 0 {
		var turn, later []int
		taken := make(map[string]bool)
		var turnMessages []amqp.Publishing
		var turnKeys []string
		for _, i := range waiting {
			switch key := keys[i]; {
			case refused[key] != nil:
				outcomes[i] = refused[key]
			case taken[key]:
				later = append(later, i)
			default:
				taken[key] = true
				turn, turnMessages, turnKeys = append(turn, i), append(turnMessages, messages[i]), append(turnKeys, key)
			}
		}
		if len(turn) > 0 {
			for j, outcome := range b.publisher.do(ctx, newCall(t, b.names.topic(t.name), turnMessages, turnKeys)) {
				outcomes[turn[j]] = outcome
				if outcome != nil {
					refused[turnKeys[j]] = outcome
				}
			}
		}
		waiting = later
	}
	return outcomes
}

// failure makes an error of what became of messages, nil when all were confirmed.
func failure(outcomes []error) error {
	var failed *carillon.PublishError
	for i, outcome := range outcomes {
		if outcome == nil {
			continue
		}
		if failed == nil {
			failed = &carillon.PublishError{Cause: outcome}
		}
		failed.Unconfirmed = append(failed.Unconfirmed, i)
	}
	if failed == nil {
		return nil
	}
	return failed
}
