package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// Publish implements [carillon.Broker]. Messages whose confirmation did not come in time may still be published later; until it is known
// what became of them, nothing else goes to their partitions, so that what is published again stays behind them.
func (b *broker) Publish(ctx context.Context, name string, messages []carillon.Message) error {
	within, leave, err := b.enter(ctx)
	if err != nil {
		return carillon.Unconfirmed(0, len(messages), err)
	}
	defer leave()
	if err := clients.CheckSizes(messages); err != nil {
		return carillon.Unconfirmed(0, len(messages), err)
	}
	t, err := b.lookup(within, name)
	if err != nil {
		return carillon.Unconfirmed(0, len(messages), failure(ctx, err))
	}
	if len(messages) == 0 {
		return nil
	}
	p := newPublishing(t, b.window, messages)
	cause := p.send(within, b.client)
	err = p.wait(within, cause)
	if failed, ok := err.(*carillon.PublishError); ok { //nolint:errorlint // it is made here
		if isUnknown(failed.Cause) {
			b.forget(name, t)
		}
		failed.Cause = failure(ctx, failed.Cause)
		return failed
	}
	return nil
}

func isUnknown(err error) bool {
	code, ok := err.(*kerr.Error) //nolint:errorlint // the client does not wrap it
	return ok && (code.Code == kerr.UnknownTopicOrPartition.Code || code.Code == kerr.UnknownTopicID.Code)
}

// publishing is a call of Publish under way.
type publishing struct {
	topic    *topic
	window   *window
	messages []carillon.Message

	mu       sync.Mutex
	states   []state
	at       []int32 // the partition of each message
	underway int
	failed   []bool      // the partitions where a message failed
	broken   atomic.Bool // there is one
	cause    error       // of the first that failed
	left     bool        // nobody waits any more
	sent     bool
	done     chan struct{}
}

type state uint8

const (
	notSent state = iota
	onItsWay
	confirmed
	refused
)

func newPublishing(t *topic, w *window, messages []carillon.Message) *publishing {
	return &publishing{
		topic: t, window: w, messages: messages, states: make([]state, len(messages)), at: make([]int32, len(messages)),
		failed: make([]bool, t.partitions), done: make(chan struct{}),
	}
}

// A burst is so many messages, or so many bytes, written before the client is given them: it finds many to send at once.
const (
	burstMessages = 512
	burstBytes    = 4 << 20
)

// send hands the messages to the client, in order.
func (p *publishing) send(ctx context.Context, client *kgo.Client) error {
	defer p.allSent()
	produced := context.WithoutCancel(ctx) // what is on its way is not taken back
	encode := newEncoder(len(p.messages))
	for first := 0; first < len(p.messages); {
		last, size := first, 0
		for last < len(p.messages) && last < first+burstMessages && size < burstBytes {
			p.at[last] = p.topic.partition(p.messages[last].Key)
			if err := p.topic.clear(ctx, p.at[last]); err != nil {
				return err
			}
			size += sizeOf(&p.messages[last])
			last++
		}
		if err := p.window.take(ctx, size); err != nil {
			return err
		}
		records := make([]kgo.Record, last-first)
		for i := range records {
			records[i].Topic, records[i].Partition = p.topic.name, p.at[first+i]
			encode.write(&records[i], &p.messages[first+i])
		}
		p.begin(first, last)
		for i := range records {
			n := first + i
			if p.behindFailure(p.at[n]) {
				p.end(n, errBehind)
				continue
			}
			client.Produce(produced, &records[i], func(_ *kgo.Record, err error) { p.end(n, err) })
		}
		first = last
	}
	return nil
}

// sizeOf returns how much of the window a message takes.
func sizeOf(m *carillon.Message) int { return messageBytes + len(m.Payload) }

// begin notes that messages are on their way.
func (p *publishing) begin(first, last int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := first; i < last; i++ {
		p.states[i] = onItsWay
	}
	p.underway += last - first
}

// errBehind is why a message behind one that failed is not sent.
var errBehind = errors.New("one before it in its partition was not published")

// behindFailure reports whether a message of a partition has failed: none behind it is sent.
func (p *publishing) behindFailure(partition int32) bool {
	if !p.broken.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed[partition]
}

// end notes what became of a message.
func (p *publishing) end(i int, err error) {
	p.window.give(sizeOf(&p.messages[i]))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states[i] = confirmed
	if err != nil {
		p.states[i] = refused
		p.failed[p.at[i]] = true
		p.broken.Store(true)
		if p.cause == nil {
			p.cause = err
		}
	}
	if p.left {
		p.topic.arrived(p.at[i])
	}
	p.underway--
	if p.underway == 0 && p.sent {
		close(p.done)
	}
}

func (p *publishing) allSent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = true
	if p.underway == 0 {
		close(p.done)
	}
}

// wait waits until everything that was sent is confirmed or has failed, or the context ends. It returns a [*carillon.PublishError] unless
// all is confirmed.
func (p *publishing) wait(ctx context.Context, cause error) error {
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var missing []int
	for i, is := range p.states {
		if is == confirmed {
			continue
		}
		missing = append(missing, i)
		if is == onItsWay {
			p.topic.giveUp(p.at[i])
		}
	}
	p.left = true
	if len(missing) == 0 {
		return nil
	}
	if cause == nil {
		cause = ctx.Err()
	}
	if p.cause != nil {
		cause = p.cause
	}
	return &carillon.PublishError{Unconfirmed: missing, Cause: cause}
}
