package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
)

const (
	headerBatch       = "Nats-Batch-Id"
	headerBatchPlace  = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"

	// atomicMost is how many messages and bytes one atomic batch takes.
	atomicMost      = 512
	atomicMostBytes = 4 << 20
	// atomicFrom is from how many messages on a batch, which has a cost of its own, beats a flush for each message.
	atomicFrom = 24
	// headerUsual is roughly what a message's headers take.
	headerUsual = 512
	// wavesMost is how many messages of a key, each waiting for the one before it, are still faster than a batch.
	wavesMost = 8
)

// publication is one call of Publish.
type publication struct {
	broker   *broker
	topic    topic
	messages []carillon.Message
	subjects []string // of the messages
	encoder  *encoder
	failed   []int // indexes, not sorted
	cause    error
}

// Publish publishes messages, and returns when each is confirmed. Of the messages of a key none is published when one before it
// was not.
func (b *broker) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	if len(messages) == 0 {
		return nil
	}
	bounded, leave, err := b.enter(ctx)
	if err != nil {
		return carillon.Unconfirmed(0, len(messages), err)
	}
	defer leave()
	t, err := b.topic(bounded, topic)
	if err != nil {
		return carillon.Unconfirmed(0, len(messages), fmt.Errorf("topic %s: %w", topic, b.bound(ctx, err)))
	}
	p := publication{broker: b, topic: t, messages: messages}
	if err := p.check(); err != nil {
		return carillon.Unconfirmed(0, len(messages), err)
	}
	p.publish(bounded)
	if p.cause == nil {
		return nil
	}
	if errors.Is(p.cause, jetstream.ErrNoStreamResponse) || errors.Is(p.cause, nats.ErrNoResponders) {
		b.forget(topic) // perhaps the topic is gone
	}
	slices.Sort(p.failed)
	return &carillon.PublishError{Unconfirmed: p.failed, Cause: fmt.Errorf("topic %s: %w", topic, b.bound(ctx, p.cause))}
}

// check finds where the messages belong, and refuses those that are too large before the first is sent.
func (p *publication) check() error {
	most, room := p.broker.Capabilities().MaxPayload, int(p.broker.conn.MaxPayload())
	p.subjects, p.encoder = make([]string, len(p.messages)), newEncoder()
	for i := range p.messages {
		m := &p.messages[i]
		p.subjects[i] = p.topic.subjects[p.partition(m)]
		if len(m.Payload) <= most && smallHeaders(m) {
			continue
		}
		if size := p.message(i).Size(); len(m.Payload) > most || size > room {
			return fmt.Errorf("%s %q takes %d bytes with its headers, the server takes %d, %d of them payload: %w", m.Kind, m.Type, size,
				room, most, carillon.ErrTooLarge)
		}
	}
	return nil
}

// smallHeaders reports whether a message's headers need not be written to know that they are not too large.
func smallHeaders(m *carillon.Message) bool {
	return len(m.Headers) == 0 && len(m.Tags) == 0 && 4*(2*len(m.ID)+len(m.Type)+len(m.Key)+len(m.CorrelationID)+len(m.CausationID)+
		len(m.TraceParent)+len(m.TraceState)+len(m.Tenant)+len(m.ContentType)) < headerRoom/2
}

// message is good until the next call.
func (p *publication) message(i int) *nats.Msg {
	return p.encoder.encode(p.subjects[i], &p.messages[i])
}

func (p *publication) partition(m *carillon.Message) int {
	if m.Key != "" {
		return carillon.Partition(m.Key, len(p.topic.subjects))
	}
	p.broker.mu.Lock()
	defer p.broker.mu.Unlock()
	p.broker.next++
	return int(p.broker.next % uint64(len(p.topic.subjects)))
}

func (p *publication) publish(ctx context.Context) {
	all := make([]int, len(p.messages))
	for i := range all {
		all[i] = i
	}
	if !p.inBatches() {
		p.publishInWaves(ctx, all)
		return
	}
	for len(all) > 0 && p.cause == nil {
		n := p.batch(all)
		if err := p.publishAtomically(ctx, all[:n]); err != nil {
			if !isOneByOne(err) {
				break
			}
			p.publishInWaves(ctx, all[:n])
		}
		all = all[n:]
	}
	if p.cause != nil {
		p.fail(p.cause, all...)
	}
}

// inBatches reports whether atomic batches are the faster way.
func (p *publication) inBatches() bool {
	if len(p.messages) >= atomicFrom && (p.broker.source.flushed || p.topic.replicas > 1) {
		return true
	}
	if len(p.messages) <= wavesMost {
		return false
	}
	waves := make(map[string]int, len(p.messages))
	for i := range p.messages {
		if key := p.messages[i].Key; key != "" {
			if waves[key]++; waves[key] > wavesMost {
				return true
			}
		}
	}
	return false
}

// batch returns how many of the messages go into one atomic batch.
func (p *publication) batch(indexes []int) int {
	size := 0
	for n, i := range indexes {
		size += len(p.messages[i].Payload) + headerUsual
		if n == atomicMost || n > 0 && size > atomicMostBytes {
			return n
		}
	}
	return len(indexes)
}

func (p *publication) fail(cause error, indexes ...int) {
	if p.cause == nil {
		p.cause = cause
	}
	p.failed = append(p.failed, indexes...)
}

// publishAtomically publishes all of the messages or none. An error that asks for [isOneByOne] is left to the caller; with any other
// the publication has failed.
func (p *publication) publishAtomically(ctx context.Context, indexes []int) error {
	id := rand.Text()
	var answer *nats.Msg
	var err error
	for place, i := range indexes {
		msg := p.message(i)
		p.encoder.set(headerBatch, id)
		p.encoder.set(headerBatchPlace, strconv.Itoa(place+1))
		if place < len(indexes)-1 {
			err = p.broker.conn.PublishMsg(msg)
		} else {
			p.encoder.set(headerBatchCommit, "1")
			answer, err = p.broker.conn.RequestMsgWithContext(ctx, msg)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = confirmed(answer, len(indexes))
	}
	if err != nil && !isOneByOne(err) {
		p.cause = err
	}
	return err
}

// confirmed reads the server's answer to an atomic batch.
func confirmed(answer *nats.Msg, n int) error {
	var ack struct {
		Error    *jetstream.APIError `json:"error"`
		Sequence uint64              `json:"seq"`
		Count    int                 `json:"count"`
	}
	switch err := json.Unmarshal(answer.Data, &ack); {
	case err != nil:
		return fmt.Errorf("the answer to a batch: %w", err)
	case ack.Error != nil:
		return ack.Error
	case ack.Sequence == 0 || ack.Count != n:
		return fmt.Errorf("the server confirmed %d of a batch of %d", ack.Count, n)
	default:
		return nil
	}
}

// publishInWaves sends messages without waiting, but for those of a key: each waits for the one before it.
func (p *publication) publishInWaves(ctx context.Context, indexes []int) {
	if len(indexes) == 1 {
		if _, err := p.broker.js.PublishMsg(ctx, p.message(indexes[0])); err != nil {
			p.fail(err, indexes[0])
		}
		return
	}
	stopped := make(map[string]bool) // keys that failed
	for len(indexes) > 0 {
		var later []int
		busy := make(map[string]bool, len(indexes))
		wave := make([]int, 0, len(indexes))
		for _, i := range indexes {
			switch key := p.messages[i].Key; {
			case key != "" && stopped[key]:
				p.fail(p.cause, i)
			case key != "" && busy[key]:
				later = append(later, i)
			default:
				busy[key] = true
				wave = append(wave, i)
			}
		}
		for _, i := range p.publishWave(ctx, wave) {
			stopped[p.messages[i].Key] = true
		}
		indexes = later
	}
}

// publishWave sends messages without a key in common, waits for all confirms, and returns those that have none.
func (p *publication) publishWave(ctx context.Context, wave []int) (failed []int) {
	for p.topic.fast && len(wave) >= fastFrom {
		n := min(len(wave), fastMost)
		confirmed, err := p.broker.fast.publish(ctx, n, func(i int) *nats.Msg { return p.message(wave[i]) })
		if isOneByOne(err) && !isFull(err) {
			break
		}
		if confirmed < n {
			p.fail(err, wave[confirmed:]...)
			return wave[confirmed:]
		}
		wave = wave[n:]
	}
	return p.publishEach(ctx, wave)
}

// publishEach sends messages that are confirmed one by one.
func (p *publication) publishEach(ctx context.Context, wave []int) (failed []int) {
	futures := make([]jetstream.PubAckFuture, len(wave))
	fail := func(i int, err error) {
		p.fail(err, i)
		failed = append(failed, i)
	}
	for n, i := range wave {
		future, err := p.broker.js.PublishMsgAsync(encode(p.subjects[i], &p.messages[i]), jetstream.WithStallWait(p.broker.source.timeout))
		if err != nil {
			fail(i, err)
			continue
		}
		futures[n] = future
	}
	for n, future := range futures {
		if future == nil {
			continue
		}
		select {
		case <-future.Ok():
		case err := <-future.Err():
			fail(wave[n], err)
		case <-ctx.Done():
			fail(wave[n], ctx.Err())
		}
	}
	return failed
}
