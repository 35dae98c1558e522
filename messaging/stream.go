package messaging

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// The headers of streams.
const (
	// headerWindow is how many parts may be under way that the caller has not had, headerPatience how many milliseconds the server waits
	// for a sign of the caller; both in a request.
	headerWindow   = "streamwindow"
	headerPatience = "streampatience"
	// headerPart numbers the parts from 1, headerRun tells one answer from another. Part 0 says that the answer has begun, and the last in
	// headerEnd how many there were before it: these two have no value.
	headerPart = "streampart"
	headerRun  = "streamrun"
	headerEnd  = "streamend"
	// headerCredit says how many parts the caller has had, headerStop that it wants no more.
	headerCredit = "streamcredit"
	headerStop   = "streamstop"
)

const (
	// streamWindow is how many parts are under way at most.
	streamWindow = 64
	// streamLimit is how long a stream takes at most when the caller's context has no deadline.
	streamLimit = time.Hour
)

// ErrInterrupted says that a stream has ended before its end: a part is missing.
var ErrInterrupted = errors.New("stream interrupted")

// streamType knows the Go type of a stream's parts.
type streamType struct {
	each func(result any) iter.Seq2[any, error]
	join func(parts iter.Seq2[any, error]) any
}

// Stream says that the topic carries queries of a type under a name, which are answered with any number of A's, one after the other: the
// handler returns an iter.Seq2[A, error], and so does asking:
//
//	cqrs.Query("readings", func(ctx context.Context, q Readings) (iter.Seq2[Reading, error], error) { … })   // where it is answered
//	readings, err := cqrs.Ask[iter.Seq2[Reading, error]](ctx, bus, Readings{…})                              // where it is asked
//
// The query travels when the stream is ranged over, each time anew. No more than 64 parts are on their way at a time: a handler goes
// on when the caller has taken some. Parts come once and in order; one that is missing ends the stream with [ErrInterrupted], and so does
// a pause of the handler longer than the [Timeout] of the client, which is an [carillon.ErrTimeout] too. In total a stream takes as long as the context
// allows, an hour at most when that has no deadline. Leaving the loop tells the handler to stop: its own yield returns false.
func Stream[Q, A any](name string) TopicPart {
	return carries[Q](carillon.KindQuery, name, &answerType{
		response: reflect.TypeFor[iter.Seq2[A, error]](), decode: decodeAs[A], stream: &streamType{each: eachOf[A], join: joined[A]},
	})
}

// eachOf yields the parts of an iter.Seq2[A, error].
func eachOf[A any](result any) iter.Seq2[any, error] {
	parts, _ := result.(iter.Seq2[A, error])
	return func(yield func(any, error) bool) {
		if parts == nil {
			return
		}
		for part, err := range parts {
			if !yield(part, err) {
				return
			}
		}
	}
}

// joined makes an iter.Seq2[A, error] of parts.
func joined[A any](parts iter.Seq2[any, error]) any {
	return iter.Seq2[A, error](func(yield func(A, error) bool) {
		for part, err := range parts {
			value, _ := part.(A)
			if !yield(value, err) {
				return
			}
		}
	})
}

// isSignal reports whether a message is from the caller of a stream.
func isSignal(m *carillon.Message) bool {
	return m.Headers[headerCredit] != "" || m.Headers[headerStop] != ""
}

// stream returns the answer to a query: it is asked when somebody ranges over it.
func (c *caller) stream(ctx context.Context, m *carillon.Message) (any, error) {
	return c.asks.answer.stream.join(func(yield func(any, error) bool) {
		if err := c.parts(ctx, m, yield); err != nil {
			yield(nil, err)
		}
	}), nil
}

// inward is a stream as its caller has it.
type inward struct {
	*caller
	call *call
	next int
	held map[int]carillon.Message // parts that came before their turn

	mu       sync.Mutex
	signals  string // where the server takes signals, "" until the first part
	run      string
	had      int // parts the loop has taken
	credited int // and those of them the server knows of
}

// parts asks, and yields the parts. The error is what has not been yielded.
func (c *caller) parts(ctx context.Context, m *carillon.Message, yield func(any, error) bool) error {
	if _, ok := ctx.Deadline(); !ok {
		limited, done := context.WithTimeout(ctx, streamLimit)
		defer done()
		ctx = limited
	}
	deadline, _ := ctx.Deadline()
	request, err := newRequest(ctx, c.engine, c.topic, m, deadline)
	if err != nil {
		return err
	}
	request.Headers[headerWindow] = strconv.Itoa(streamWindow)
	request.Headers[headerPatience] = strconv.FormatInt(c.timeout.Milliseconds(), 10)
	waiting, done := context.WithTimeout(ctx, c.timeout)
	defer done()
	call, err := c.engine.address.call(waiting, int64(c.most), 4*streamWindow)
	if err != nil {
		return err
	}
	defer call.close()
	if sent, err := call.post(waiting, c.topic.Name(), request); err != nil && !sent {
		return err
	}
	in := &inward{caller: c, call: call, next: 1, held: make(map[int]carillon.Message)}
	alive := make(chan struct{})
	beating, stopBeating := context.WithCancel(ctx)
	go func() {
		defer close(alive)
		in.beat(beating)
	}()
	ended, err := func() (bool, error) { // also when the loop panics
		defer func() {
			stopBeating()
			<-alive
		}()
		return in.receive(ctx, m, yield)
	}()
	if !ended {
		stopping, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		in.signal(stopping, headerStop, "true")
	}
	return err
}

// receive yields parts until the stream ends. ended is false when the server may have more.
func (in *inward) receive(ctx context.Context, m *carillon.Message, yield func(any, error) bool) (ended bool, err error) {
	for {
		waiting, done := context.WithTimeout(ctx, in.timeout)
		reply, err := in.call.next(waiting)
		done()
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = errors.Join(carillon.ErrTimeout, err)
			}
			return false, fmt.Errorf("%s %q: part %d: %w: %w", m.Kind, m.Type, in.next, ErrInterrupted, err)
		}
		if reply.Headers[headerRun] == "" { // it has not even begun
			return true, errorOf(&reply)
		}
		if err := in.hold(&reply); err != nil {
			return false, err
		}
		for {
			part, ok := in.held[in.next]
			if !ok {
				break
			}
			delete(in.held, in.next)
			if count := part.Headers[headerEnd]; count != "" {
				return true, in.end(&part, count)
			}
			in.next++
			value, err := in.answer(ctx, &part)
			if err != nil {
				return false, fmt.Errorf("part %d of the answer to %q: %w", in.next-1, in.asks.name, err)
			}
			if !yield(value, nil) {
				return false, nil
			}
			in.took(ctx)
		}
	}
}

// hold keeps a part until it is its turn. Repeats, and parts of another run, are dropped.
func (in *inward) hold(reply *carillon.Message) error {
	in.begin(reply)
	number, err := strconv.Atoi(reply.Headers[headerPart])
	if err == nil && number == 0 {
		return nil
	}
	if err != nil || number > in.next+2*streamWindow {
		return fmt.Errorf("part %q of the answer to %q comes after part %d: %w", reply.Headers[headerPart], in.asks.name, in.next-1, ErrInterrupted)
	}
	_, repeated := in.held[number]
	if reply.Headers[headerRun] != in.run || number < in.next || repeated {
		in.engine.counts.late.Add(1)
		return nil
	}
	in.held[number] = *reply
	return nil
}

// begin notes whose parts these are.
func (in *inward) begin(first *carillon.Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.run == "" {
		in.run, in.signals = first.Headers[headerRun], first.Headers[headerReplyTo]
	}
}

// took notes that the loop has taken a part, and gives the server credit for half a window at a time.
func (in *inward) took(ctx context.Context) {
	in.mu.Lock()
	in.had++
	had, due := in.had, in.had-in.credited >= streamWindow/2
	if due {
		in.credited = in.had
	}
	in.mu.Unlock()
	if due {
		in.signal(ctx, headerCredit, strconv.Itoa(had))
	}
}

// beat tells the server now and then that the loop is still at it, however long it takes over a part.
func (in *inward) beat(ctx context.Context) {
	ticker := time.NewTicker(max(in.timeout/3, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		in.mu.Lock()
		had := in.had
		in.credited = had
		in.mu.Unlock()
		in.signal(ctx, headerCredit, strconv.Itoa(had))
	}
}

// end is the error that the end of a stream says.
func (in *inward) end(last *carillon.Message, count string) error {
	if count != strconv.Itoa(in.next-1) {
		return fmt.Errorf("the answer to %q has %s parts, and %d came: %w", in.asks.name, count, in.next-1, ErrInterrupted)
	}
	return errorOf(last)
}

// signal tells the server something. What does not arrive is made up for by its patience.
func (in *inward) signal(ctx context.Context, name, value string) {
	in.mu.Lock()
	signals, run := in.signals, in.run
	in.mu.Unlock()
	if !isReplyTopic(signals) {
		return
	}
	m := carillon.Message{
		ID: ids.New(), Kind: carillon.KindDocument, Type: in.asks.name, SchemaVersion: 1, Key: in.call.id, Time: now(), CausationID: in.call.id,
		ContentType: carillon.ContentTypeJSON, Payload: []byte("{}"), Headers: map[string]string{headerRun: run, name: value},
	}
	if err := in.engine.broker.Publish(ctx, signals, []carillon.Message{m}); err != nil {
		in.engine.logger.Debug("signal to a stream not sent", slog.String("type", in.asks.name), slog.Any("error", err))
	}
}
