package messaging

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// Tx is the transaction a handler works in. It is valid until the handler returns and is not safe for concurrent use.
type Tx struct {
	engine    *Engine
	message   *carillon.Message
	trace     carillon.Trace // what outgoing messages go on from
	store     carillon.ReadModelTx
	codec     carillon.Codec
	consumer  string
	most      int // bytes a payload may have
	published int
	outgoing  *outgoing
	deposit   func(topic *Topic, m *carillon.Message) error
}

// outgoing is what the handlers of one transaction keep and publish, in order. It is written at the end, all together.
type outgoing struct {
	rows     []carillon.Row
	row      map[string]int // where a key's row is
	topics   []string
	messages map[string][]carillon.Message
}

func (o *outgoing) keep(row carillon.Row) {
	if o.row == nil {
		o.row = make(map[string]int)
	}
	if at, again := o.row[row.Key]; again {
		o.rows[at] = row
		return
	}
	o.row[row.Key] = len(o.rows)
	o.rows = append(o.rows, row)
}

// kept returns what an earlier handler of the transaction keeps.
func (o *outgoing) kept(key string) (carillon.Row, bool) {
	at, ok := o.row[key]
	if !ok {
		return carillon.Row{}, false
	}
	return o.rows[at], true
}

func (o *outgoing) add(topic string, m carillon.Message) {
	if o.messages == nil {
		o.messages = make(map[string][]carillon.Message)
	}
	if _, ok := o.messages[topic]; !ok {
		o.topics = append(o.topics, topic)
	}
	o.messages[topic] = append(o.messages[topic], m)
}

// write keeps and publishes everything within the transaction.
func (o *outgoing) write(ctx context.Context, e *Engine, tx carillon.ReadModelTx) error {
	if len(o.rows) > 0 {
		if err := tx.Put(o.rows); err != nil {
			return err
		}
	}
	if len(o.topics) == 0 {
		return nil
	}
	outbox, ok := tx.(carillon.OutboxTx)
	if !ok {
		return fmt.Errorf("the store keeps no topics: %w", carillon.ErrUnsupported)
	}
	for _, topic := range o.topics {
		if err := e.sendWithin(ctx, outbox, topic, o.messages[topic]); err != nil {
			return fmt.Errorf("publish to %q: %w", topic, err)
		}
	}
	return nil
}

// PublishOption says more about a message that is published.
type PublishOption func(*carillon.Message)

// WithKey sets what order is kept per, in place of the value's own method Key.
func WithKey(key string) PublishOption { return func(m *carillon.Message) { m.Key = key } }

// WithHeader adds a header.
func WithHeader(name, value string) PublishOption {
	return func(m *carillon.Message) {
		if m.Headers == nil {
			m.Headers = make(map[string]string)
		}
		m.Headers[name] = value
	}
}

// Message is the message being handled. Nobody changes it.
func (tx *Tx) Message() *carillon.Message { return tx.message }

// Publish publishes a value that a topic carries when the transaction commits. Its id follows from the message being handled, so that
// it is the same however often that comes, and it carries on its conversation. Its key is what the value's method Key says.
func (tx *Tx) Publish(topic *Topic, value any, options ...PublishOption) error {
	m, err := topic.message(tx.codec, value)
	if err != nil {
		return err
	}
	tx.published++
	m.ID = ids.Derive(tx.consumer+"/"+identity(tx.message), tx.published)
	m.CausationID, m.CorrelationID, m.Tenant = tx.message.ID, tx.message.CorrelationID, tx.message.Tenant
	if m.CorrelationID == "" {
		m.CorrelationID = tx.message.ID
	}
	m.SetTrace(tx.trace)
	m.Time = now()
	for _, option := range options {
		option(&m)
	}
	if err := tx.deposit(topic, &m); err != nil {
		return err
	}
	if err := m.CheckPublished(tx.most); err != nil {
		return err
	}
	tx.engine.created(topic.Name(), &m)
	tx.outgoing.add(topic.Name(), m)
	return nil
}

// SQL runs statements in the transaction, on a store that is a SQL database; [carillon.ErrUnsupported] on any other.
func (tx *Tx) SQL() (carillon.SQLExecutor, error) {
	tables, ok := tx.store.(carillon.SQLTx)
	if !ok {
		return nil, fmt.Errorf("the store has no SQL: %w", carillon.ErrUnsupported)
	}
	return tables.SQL(), nil
}

// Load returns the state the consumer keeps under a key, and whether there is one.
func Load[S any](tx *Tx, key string) (state S, ok bool, err error) {
	row, saved := tx.outgoing.kept(stateRow + key)
	if !saved {
		row, err = tx.store.Row(stateRow + key)
	}
	if errors.Is(err, carillon.ErrNotFound) {
		return state, false, nil
	}
	if err == nil {
		err = tx.codec.Decode(row.Value, &state)
	}
	return state, err == nil, err
}

// Save keeps a state under a key, in the transaction. It is written when the handlers of the transaction have returned.
func Save[S any](tx *Tx, key string, state S) error {
	encoded, err := tx.codec.Encode(state)
	if err != nil {
		return err
	}
	tx.outgoing.keep(carillon.Row{Key: stateRow + key, Value: encoded})
	return nil
}

// Kept returns what a consumer keeps under a key as of now, outside any handler; the zero value where there is nothing.
func Kept[S any](ctx context.Context, e *Engine, consumer, key string) (state S, err error) {
	row, _, err := e.store.ReadModels().Row(ctx, carillon.ModelRef{Name: consumer}, stateRow+key)
	if errors.Is(err, carillon.ErrNotFound) {
		return state, nil
	}
	if err == nil {
		err = e.codec.Decode(row.Value, &state)
	}
	return state, err
}

// The rows of a consumer: the states of its handlers, how many keys are parked, which, and the messages of the letters.
const (
	stateRow   = "state/"
	parkedRow  = "parked"
	keyRow     = "parked/"
	messageRow = "message/"
)

// now is the time as messages carry it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
