package messaging

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// call is somebody who waits for the replies to a request.
type call struct {
	address *address
	id      string // of the request
	replyTo string
	replies chan carillon.Message
	ended   chan struct{} // closed when the engine ends
}

// take hands over a reply unless as many wait as fit. The address is locked.
func (c *call) take(m *carillon.Message) bool {
	select {
	case c.replies <- *m:
		return true
	default:
		return false
	}
}

// end says that no replies will come. The address is locked.
func (c *call) end() { close(c.ended) }

// call registers a call with room for so many replies. close releases it.
func (a *address) call(ctx context.Context, most int64, room int) (*call, error) {
	if a.engine.counts.waiting.Add(1) > most {
		a.engine.counts.waiting.Add(-1)
		return nil, fmt.Errorf("%d calls wait for replies: %w", most, carillon.ErrBusy)
	}
	topic, err := a.wait(ctx)
	if err != nil {
		a.engine.counts.waiting.Add(-1)
		return nil, err
	}
	c := &call{address: a, id: ids.New(), replyTo: topic, replies: make(chan carillon.Message, room), ended: make(chan struct{})}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[c.id] = c
	if a.ended {
		c.end()
	}
	return c, nil
}

// close forgets the call: what comes now is late.
func (c *call) close() {
	c.address.mu.Lock()
	delete(c.address.calls, c.id)
	c.address.mu.Unlock()
	c.address.engine.counts.waiting.Add(-1)
	c.address.engine.counts.late.Add(int64(len(c.replies)))
}

// next waits for a reply.
func (c *call) next(ctx context.Context) (carillon.Message, error) {
	select {
	case m := <-c.replies:
		return m, nil
	default:
	}
	select {
	case m := <-c.replies:
		return m, nil
	case <-ctx.Done():
		return carillon.Message{}, ctx.Err()
	case <-c.ended:
		return carillon.Message{}, carillon.ErrClosed
	}
}

// post publishes the request, again while the broker cannot be reached and nobody has answered. sent is false when it was certainly not
// published.
func (c *call) post(ctx context.Context, topic string, request carillon.Message) (sent bool, err error) {
	e := c.address.engine
	request.ID = c.id
	if request.CorrelationID == "" {
		request.CorrelationID = c.id
	}
	request.Headers[headerReplyTo] = c.replyTo
	if err := request.CheckPublished(e.maxPayload()); err != nil {
		return false, err
	}
	for wait := firstPause; ; wait = min(2*wait, time.Second) {
		err := e.broker.Publish(ctx, topic, []carillon.Message{request})
		switch {
		case err == nil:
			return true, nil
		case !sent && refused(err):
			return false, err
		}
		sent = true
		pause(ctx, wait)
		if ctx.Err() != nil || len(c.replies) > 0 {
			return true, err
		}
	}
}

// refused reports whether an error of Publish says that nothing was published.
func refused(err error) bool {
	for _, certain := range []error{
		carillon.ErrInvalid, carillon.ErrTooLarge, carillon.ErrNotFound, carillon.ErrUnroutable, carillon.ErrTopicFull, carillon.ErrClosed,
	} {
		if errors.Is(err, certain) {
			return true
		}
	}
	return false
}
