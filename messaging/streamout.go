package messaging

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
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
	alive    *time.Timer // ends the stream when the caller has given no sign for too long
	queue    chan carillon.Message
	stop     func() // ends the handler's context

	mu      sync.Mutex
	had     int // parts the caller has had
	stopped bool
	changed chan struct{} // has room for one
}

// errStopped ends a stream that nobody wants any more.
var errStopped = errors.New("the caller has stopped the stream")

// streamBatch is how many parts are published in one call at most.
const streamBatch = 16

// stream publishes the parts of an answer. The first tells the caller who answers, before the handler has anything. stop ends the handler's
// context.
func (s *service) stream(ctx context.Context, stop func(), m *carillon.Message, known messageType, replyTo string, result any) {
	o := &outward{service: s, request: m, known: known, replyTo: replyTo, run: ids.New(), stop: stop, changed: make(chan struct{}, 1)}
	o.window, o.patience = bounds(m)
	o.queue = make(chan carillon.Message, o.window)
	topic, err := s.engine.address.listen(ctx, m.ID, o)
	if err != nil {
		s.drop(m, "the stream has not begun", err)
		return
	}
	o.topic = topic
	defer s.engine.address.unlisten(m.ID)
	o.mu.Lock()
	o.alive = time.AfterFunc(o.patience, func() {
		s.drop(m, "the caller of the stream gives no sign", nil)
		o.end()
	})
	o.mu.Unlock()
	defer o.alive.Stop()
	published := make(chan struct{})
	go func() {
		defer close(published)
		o.publish(ctx)
	}()
	begin := o.part(0)
	begin.Payload = []byte("{}")
	o.queue <- begin
	sent := 0
	err = guarded(func() error { return o.produce(ctx, result, &sent) })
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

// end stops the handler.
func (o *outward) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	o.wake()
	o.stop()
}

func (o *outward) wake() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
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
	if m.Headers[headerStop] != "" {
		o.end()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if had, err := strconv.Atoi(m.Headers[headerCredit]); err == nil {
		o.had = max(o.had, had)
	}
	if o.alive != nil && !o.stopped {
		o.alive.Reset(o.patience)
	}
	o.wake()
}

// part makes the nth part.
func (o *outward) part(n int) carillon.Message {
	m := o.newReply(o.request)
	m.ID = ids.Derive(o.run, n)
	m.Headers[headerRun], m.Headers[headerPart], m.Headers[headerReplyTo] = o.run, strconv.Itoa(n), o.topic
	return m
}

// produce queues the parts that the handler yields, as far as the caller's window allows, and counts them.
func (o *outward) produce(ctx context.Context, result any, sent *int) error {
	for value, err := range o.known.answer.stream.each(result) {
		if err != nil {
			return err
		}
		part := o.part(*sent + 1)
		if err := o.encode(ctx, &part, o.known, value); err != nil {
			return fmt.Errorf("part %d: %w", *sent+1, err)
		}
		if err := o.room(ctx, *sent+1); err != nil {
			return err
		}
		o.queue <- part
		*sent++
	}
	return nil
}

// room waits until a part fits into the window, or the caller wants no more.
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
		select {
		case <-o.changed:
		case <-ctx.Done():
		}
	}
}

// publish publishes what is queued, several parts together where several wait. When it fails it stops the handler.
func (o *outward) publish(ctx context.Context) {
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
			if ctx.Err() != nil {
				continue // nobody wants them
			}
			o.end()
			o.drop(o.request, "parts of the stream were not published", err)
		}
	}
}
