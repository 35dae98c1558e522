package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// fastFrom is from how many messages on a fast batch beats a confirm for each, fastMost how many it takes at most, and fastAtOnce how
	// many batches of a connection are under way.
	fastFrom   = 4
	fastMost   = 512
	fastAtOnce = 8
	// fastSuffix ends the reply subjects of fast batches, which are <inbox>.<batch>.<flow>.<on a gap>.<place>.<operation> before it.
	fastSuffix = ".$FI"
)

// What a message of a fast batch is to the server.
const (
	fastStarts = iota
	fastAppends
	fastCommits
)

// fastBatches publishes messages in batches that the server confirms together. Unlike an atomic batch it takes each message as it comes,
// and none behind one that it does not take. Safe for concurrent use.
type fastBatches struct {
	conn  *nats.Conn
	inbox string // answers come to subjects below
	name  string // begins the names of batches
	room  chan struct{}

	mu   sync.Mutex
	next uint64
	open map[string]*fastBatch
}

// fastBatch is a batch under way. The lock of fastBatches guards it until it is over.
type fastBatch struct {
	through int // how many messages the server has taken
	cause   error
	over    chan struct{}
}

// openFastBatches listens for answers for as long as the connection lasts.
func openFastBatches(conn *nats.Conn) (*fastBatches, error) {
	f := &fastBatches{
		conn: conn, inbox: conn.NewInbox() + ".", name: rand.Text()[:16], room: make(chan struct{}, fastAtOnce), open: make(map[string]*fastBatch),
	}
	_, err := conn.Subscribe(f.inbox+">", f.answer)
	return f, err
}

// takesFastBatches reports whether the server knows fast batches. In a cluster another server might not.
func (b *broker) takesFastBatches() bool {
	major, minor, _, _ := parseVersion(b.conn.ConnectedServerVersion())
	return b.conn.ConnectedClusterName() == "" && (major > 2 || major == 2 && minor >= 14)
}

// publish sends messages, waits for their confirm, and returns how many of them are confirmed, from the first on. The others may or may not
// have been taken when the error is not the server's.
func (f *fastBatches) publish(ctx context.Context, count int, message func(i int) *nats.Msg) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	select {
	case f.room <- struct{}{}:
		defer func() { <-f.room }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	name, batch := f.begin()
	defer f.end(name)
	if err := f.send(name, count, message); err != nil {
		f.fail(batch, err)
	}
	select {
	case <-batch.over:
	case <-ctx.Done():
		f.fail(batch, ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if batch.cause == nil && batch.through < count {
		batch.cause = fmt.Errorf("the server confirmed %d of a batch of %d", batch.through, count)
	}
	return batch.through, batch.cause
}

func (f *fastBatches) begin() (name string, batch *fastBatch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	name, batch = f.name+strconv.FormatUint(f.next, 36), &fastBatch{over: make(chan struct{})}
	f.open[name] = batch
	return name, batch
}

func (f *fastBatches) end(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, name)
}

func (f *fastBatches) send(name string, count int, message func(i int) *nats.Msg) error {
	common := f.inbox + name + "." + strconv.Itoa(fastMost) + ".fail."
	room := make([]byte, 0, len(common)+16)
	for i := range count {
		operation := fastAppends
		switch i {
		case count - 1:
			operation = fastCommits
		case 0:
			operation = fastStarts
		}
		room = append(strconv.AppendInt(append(room[:0], common...), int64(i+1), 10), '.', byte('0'+operation))
		msg := message(i)
		msg.Reply = string(append(room, fastSuffix...))
		err := f.conn.PublishMsg(msg)
		msg.Reply = ""
		if err != nil {
			return err
		}
	}
	return nil
}

// fail ends a batch, unless it is over.
func (f *fastBatches) fail(batch *fastBatch, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	batch.fail(cause)
}

func (b *fastBatch) fail(cause error) {
	select {
	case <-b.over:
	default:
		if b.cause == nil {
			b.cause = cause
		}
		close(b.over)
	}
}

// failAll ends all batches under way.
func (f *fastBatches) failAll(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, batch := range f.open {
		batch.fail(cause)
	}
}

// fastAnswer is what the server says of a batch: how far it has come, that a message is missing or why it was refused; and at last, without a
// type, how many it has taken or why none.
type fastAnswer struct {
	Type     string              `json:"type"`
	Sequence uint64              `json:"seq"`
	Count    int                 `json:"count"`
	Error    *jetstream.APIError `json:"error"`
}

// answer takes what the server says.
func (f *fastBatches) answer(msg *nats.Msg) {
	name, _, _ := strings.Cut(msg.Subject[len(f.inbox):], ".")
	var said fastAnswer
	var cause error
	if len(msg.Data) == 0 { // nobody takes the messages
		cause = jetstream.ErrNoStreamResponse
	} else if err := json.Unmarshal(msg.Data, &said); err != nil {
		cause = fmt.Errorf("the answer to a batch: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	batch := f.open[name]
	if batch == nil {
		return
	}
	select {
	case <-batch.over:
		return
	default:
	}
	switch {
	case cause != nil:
		batch.fail(cause)
	case said.Type == "ack":
		batch.through = max(batch.through, int(said.Sequence))
	case said.Type == "err":
		batch.cause = said.Error
	case said.Type != "": // the last answer says how many were taken
	case said.Error != nil:
		batch.fail(said.Error)
	default:
		batch.through = max(batch.through, said.Count)
		close(batch.over)
	}
}
