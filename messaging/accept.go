package messaging

import (
	"context"
	"fmt"
	"maps"
	"mime"
	"reflect"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/internal/ids"
)

const (
	// HeaderGivenID holds the id a message from outside came with, where it was given another.
	HeaderGivenID = "givenid"
	// acceptModel is what the receipts of accepted messages stand under, with the topic's name behind it.
	acceptModel = "carillon.accept/"
)

// Accept publishes messages that come from outside, such as through a webhook, with what they carry, and returns when they are durable: all
// of them or none. A message that was accepted before is not published again, for as long as the store remembers the ids of messages;
// published is how many were not. Where the store has no topics the broker has the messages, and consumers alone tell those that come again.
//
// A message names a type that the topic carries, else it is [carillon.ErrUnknownType]; its payload is of that type, else it is
// [carillon.ErrInvalid]. Ids of others than this program's kind are unique within their source alone: a message with a source and an id
// that is no UUID gets an id that follows from both, the same every time, and has the one it came with as its header [HeaderGivenID]. Headers
// that would have a consumer fetch another payload, see [ClaimCheck], are dropped.
func (e *Engine) Accept(ctx context.Context, topic *Topic, messages []carillon.Message) (published int, err error) {
	if !e.published[topic.Name()] {
		return 0, fmt.Errorf("topic %q is not published to by this service: add it to its parts: %w", topic.Name(), carillon.ErrUnsupported)
	}
	if err := e.Ready(ctx); err != nil {
		return 0, err
	}
	accepted := make([]carillon.Message, 0, len(messages))
	seen := make(map[string]bool, len(messages))
	for i := range messages {
		m, err := e.accepted(topic, messages[i])
		if err != nil {
			return 0, err
		}
		if !seen[m.ID] {
			seen[m.ID] = true
			accepted = append(accepted, m)
		}
	}
	if len(accepted) == 0 {
		return 0, nil
	}
	if e.outbox == nil {
		return len(accepted), e.publish(ctx, topic.Name(), accepted)
	}
	err = e.store.ReadModels().Update(ctx, carillon.ModelRef{Name: acceptModel + topic.Name()}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		published, err = acceptIn(tx, topic.Name(), accepted)
		return err
	})
	return published, err
}

// acceptIn publishes the messages that were not noted before, and notes them, in one transaction.
func acceptIn(tx carillon.ReadModelTx, topic string, messages []carillon.Message) (published int, err error) {
	inbox, remembers := tx.(carillon.InboxTx)
	outbox, keeps := tx.(carillon.OutboxTx)
	if !remembers || !keeps {
		return 0, fmt.Errorf("the store keeps no topics or remembers no messages: %w", carillon.ErrUnsupported)
	}
	receipts := make([]carillon.Receipt, len(messages))
	for i := range messages {
		receipts[i] = carillon.Receipt{ID: messages[i].ID}
	}
	first, err := inbox.Receive(receipts)
	if err != nil {
		return 0, err
	}
	fresh := make([]carillon.Message, 0, len(messages))
	for i := range messages {
		if first[i] {
			fresh = append(fresh, messages[i])
		}
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	return len(fresh), outbox.Publish(topic, fresh)
}

// accepted is a message from outside as it is published.
func (e *Engine) accepted(topic *Topic, m carillon.Message) (carillon.Message, error) {
	known, carried := topic.byName[m.Type]
	if !carried {
		return m, fmt.Errorf("topic %q carries no %q: %w", topic.Name(), m.Type, carillon.ErrUnknownType)
	}
	what := fmt.Sprintf("%s %q", known.kind, m.Type)
	switch m.Kind {
	case known.kind:
	case carillon.KindEvent: // others know no kinds
		m.Kind = known.kind
	default:
		return m, carillon.Invalidf(what, "it is no %s", m.Kind)
	}
	if media, _, err := mime.ParseMediaType(m.ContentType); m.ContentType != "" && (err != nil || media != e.codec.ContentType()) {
		return m, carillon.Invalidf(what, "its payload is %s, not %q", e.codec.ContentType(), m.ContentType)
	}
	if err := e.codec.Decode(m.Payload, reflect.New(known.payload).Interface()); err != nil {
		return m, carillon.Invalidf(what, "its payload is what the topic carries: %v", err)
	}
	m.Headers = maps.Clone(m.Headers)
	dropClaim(m.Headers)
	identify(&m)
	if m.Time.IsZero() {
		m.Time = now()
	}
	if m.CorrelationID == "" {
		m.CorrelationID = m.ID
	}
	return m, m.CheckPublished(e.maxPayload())
}

// identify makes a message's id its identity. The headers are the message's own.
func identify(m *carillon.Message) {
	id := identity(m)
	if id == m.ID {
		return
	}
	if _, given := m.Headers[HeaderGivenID]; !given {
		m.Headers[HeaderGivenID] = m.ID
	}
	m.ID = id
}

// identity is what a message is told apart by: its id, or what follows from its source and its id where that may be unique within the source
// alone. Messages of this program's kind have no source, or a UUID.
func identity(m *carillon.Message) string {
	source := m.Headers[cloudevents.HeaderSource]
	if source == "" || m.ID == "" || ids.IsUUID(m.ID) {
		return m.ID
	}
	return ids.Derive(source+"\n"+m.ID, 0)
}
