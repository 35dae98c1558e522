package messaging

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/internal/ids"
)

// outward is a stream as its server has it.
type outward struct {
	*service
	request *carillon.Message
	known   messageType
	replyTo string
	topic   string // where signals come to
	run     string

	window   int
	patience time.Duration
	queue    chan carillon.Message

	mu      sync.Mutex
	had     int // parts the caller has had
	stopped bool
	changed chan struct{} // has room for one
}

// errStopped ends a stream that nobody wants any more.
var errStopped = errors.New("the caller has stopped the stream")

// streamBatch is how many parts are published in one call at most.
const streamBatch = 16

// stream publishes the parts of an answer.
func (s *service) stream(ctx context.Context, m *carillon.Message, known messageType, replyTo string, result any) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o := &outward{service: s, request: m, known: known, replyTo: replyTo, run: ids.New(), changed: make(chan struct{}, 1)}
	o.window, o.patience = bounds(m)
	o.queue = make(chan carillon.Message, o.window)
	topic, err := s.engine.address.listen(ctx, m.ID, o)
	if err != nil {
		s.drop(m, "stream not begun, this service has no topic for signals", slog.Any("error", err))
		return
	}
	o.topic = topic
	defer s.engine.address.unlisten(m.ID)
	published := make(chan struct{})
	go func() {
		defer close(published)
		o.publish(ctx, stop)
	}()
	sent, err := o.produce(ctx, result)
	if !errors.Is(err, errStopped) && ctx.Err() == nil {
		end := o.part(sent + 1)
		end.Headers[headerEnd], end.Payload = strconv.Itoa(sent), []byte("{}")
		if err != nil {
			s.problem(&end, m, err)
		}
		o.queue <- end
	}
	close(o.queue)
	<-published
}

// bounds reads how many parts may be under way, and how long a sign of the caller may take.
func bounds(m *carillon.Message) (window int, patience time.Duration) {
	window, err := strconv.Atoi(m.Headers[headerWindow])
	if err != nil || window < 1 {
		window = 1
	}
	milliseconds, err := strconv.Atoi(m.Headers[headerPatience])
	if err != nil || milliseconds < 1 {
		milliseconds = 1000
	}
	return min(window, 1024), min(time.Duration(milliseconds)*time.Millisecond, streamLimit)
}

// listen registers a stream for the signals of its caller, and returns the topic they come to.
func (a *address) listen(ctx context.Context, request string, o *outward) (topic string, err error) {
	if topic, err = a.wait(ctx); err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.streams[request] != nil {
		return "", carillon.Invalidf("stream", "the request came twice, and is answered already")
	}
	a.streams[request] = o
	return topic, nil
}

func (a *address) unlisten(request string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.streams, request)
}

// signal notes what the caller says.
func (o *outward) signal(m *carillon.Message) {
	if m.Headers[headerRun] != o.run {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if had, err := strconv.Atoi(m.Headers[headerCredit]); err == nil {
		o.had = max(o.had, had)
	}
	o.stopped = o.stopped || m.Headers[headerStop] != ""
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// part makes the nth part.
func (o *outward) part(n int) carillon.Message {
	m := o.newReply(o.request)
	m.ID = ids.Derive(o.run, n)
	m.Headers[headerRun], m.Headers[headerPart], m.Headers[headerReplyTo] = o.run, strconv.Itoa(n), o.topic
	return m
}

// produce queues the parts that the handler yields, as far as the caller's window allows.
func (o *outward) produce(ctx context.Context, result any) (sent int, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &consume.PanicError{Value: cause, Stack: string(debug.Stack())}
		}
	}()
	for value, err := range o.known.answer.stream.each(result) {
		if err != nil {
			return sent, err
		}
		part := o.part(sent + 1)
		if err := o.encode(ctx, &part, o.known, value); err != nil {
			return sent, fmt.Errorf("part %d: %w", sent+1, err)
		}
		if err := o.room(ctx, sent+1); err != nil {
			return sent, err
		}
		o.queue <- part
		sent++
	}
	return sent, nil
}

// room waits until a part fits into the window. It gives up when the caller does, or does not say anything for too long.
func (o *outward) room(ctx context.Context, n int) error {
	for {
		o.mu.Lock()
		fits, stopped := n-o.had <= o.window, o.stopped
		o.mu.Unlock()
		switch {
		case stopped || ctx.Err() != nil:
			return errStopped
		case fits:
			return nil
		}
		patience := time.NewTimer(o.patience)
		select {
		case <-o.changed:
		case <-ctx.Done():
		case <-patience.C:
			o.drop(o.request, "stream ended, its caller takes nothing")
			return errStopped
		}
		patience.Stop()
	}
}

// publish publishes what is queued, several parts together where several wait. When it fails it stops the handler.
func (o *outward) publish(ctx context.Context, stop func()) {
	failed := false
	for first := range o.queue {
		parts := []carillon.Message{first}
		for len(o.queue) > 0 && len(parts) < streamBatch {
			if more, ok := <-o.queue; ok {
				parts = append(parts, more)
			}
		}
		if failed {
			continue // the handler is about to stop
		}
		err := patiently(ctx, o.engine.logger, "publish a stream", func() error { return o.engine.broker.Publish(ctx, o.replyTo, parts) })
		if err != nil {
			failed = true
			stop()
			o.drop(o.request, "stream ended, its parts cannot be published", slog.Any("error", err))
		}
	}
}
