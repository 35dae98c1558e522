package conformance

import (
	"context"
	"errors"
	"slices"

	"github.com/carillon-go/carillon"
)

// Broker is that of the memory adapter.
func (r *reference) Broker() carillon.Broker { return r.Store.(carillon.BrokerStore).Broker() }

// outgoing are messages that a transaction publishes.
type outgoing struct {
	topic    string
	messages []carillon.Message
}

// Publish stages messages. Whether the topics take them the memory adapter is asked, in a transaction that fails.
func (t *referenceTx) Publish(topic string, messages []carillon.Message) error {
	messages = slices.Clone(messages)
	staged := append(slices.Clone(t.outbox), outgoing{topic, messages})
	err := t.r.deliver(staged, errGivenUp)
	switch {
	case errors.Is(err, errGivenUp):
	case errors.Is(err, carillon.ErrNotFound) && t.r.is("publishes to nowhere"), errors.Is(err, carillon.ErrTopicFull) && t.r.is("drops what a full topic cannot take"):
		return nil
	case t.r.is("fails when a topic refuses"):
		t.lost = err
		return err
	default:
		return err
	}
	switch t.r.fault {
	case "publishes outside the transaction":
		return t.r.deliver([]outgoing{{topic, messages}}, nil)
	case "publishes the first call of a transaction alone":
		if len(t.outbox) > 0 {
			return nil
		}
	case "publishes messages backwards":
		slices.Reverse(messages)
	}
	t.outbox = staged
	return nil
}

// deliver publishes through the memory adapter, unless the transaction is to fail.
func (r *reference) deliver(outbox []outgoing, failure error) error {
	models := r.Store.ReadModels()
	return models.Update(context.Background(), carillon.ModelRef{Name: "delivered"}, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
		for _, o := range outbox {
			if err := tx.(carillon.OutboxTx).Publish(o.topic, o.messages); err != nil {
				return err
			}
		}
		return failure
	})
}

// publish delivers what a transaction published, or does not.
func (t *referenceTx) publish(committed bool) error {
	r := t.r
	switch {
	case !committed && !r.is("publishes what fn failed at"), r.is("publishes nothing"):
		return nil
	case r.is("publishes some time after the commit"):
		r.mu.Unlock()
		pause()
		defer r.mu.Lock()
	case r.is("publishes twice"):
		if err := r.deliver(t.outbox, nil); err != nil {
			return err
		}
	}
	return r.deliver(t.outbox, nil)
}

// inboxKey is a message as a consumer has had it.
type inboxKey struct {
	consumer string
	receipt  carillon.Receipt
}

// Receive notes messages as handled.
func (t *referenceTx) Receive(receipts []carillon.Receipt) ([]bool, error) {
	first := make([]bool, len(receipts))
	before := t.state.inbox
	for i, receipt := range receipts {
		k := inboxKey{t.r.key(t.ref.Name), receipt}
		switch t.r.fault {
		case "has one inbox for all consumers":
			k.consumer = ""
		case "takes a repaired message for the one it was":
			k.receipt.Revision = 0
		case "cuts the ids of received messages":
			k.receipt.ID = k.receipt.ID[:min(len(k.receipt.ID), 254)]
		}
		if i == 0 {
			before = cloneInbox(t.state.inbox)
		}
		known := t.state.inbox
		if t.r.is("takes a message that comes twice at once for two") {
			known = before
		}
		first[i] = !known[k]
		t.state.inbox[k] = true
		if t.r.is("receives outside the transaction") {
			t.r.state.inbox[k] = true
		}
	}
	if t.r.is("refuses a call in which some are known") && slices.Contains(first, false) {
		return make([]bool, len(receipts)), nil
	}
	if t.r.is("takes every message for the first") {
		return slices.Repeat([]bool{true}, len(receipts)), nil
	}
	return first, nil
}

func cloneInbox(inbox map[inboxKey]bool) map[inboxKey]bool {
	copied := make(map[inboxKey]bool, len(inbox))
	for k := range inbox {
		copied[k] = true
	}
	return copied
}
