package watermill

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// feed takes messages from subscribers of watermill for the consumers of a subscription. Each subscriber's next message is taken when
// there is a consumer for the one before.
type feed struct {
	source *Source
	where  slog.Attr

	arrived  chan *message.Message // taken, for whoever comes first
	failures chan error            // said to those who wait while there is no subscriber
	more     chan struct{}         // says that there may be something given back
	closing  chan struct{}
	stop     func() // ends what waits for a subscriber
	lines    sync.WaitGroup

	mu       sync.Mutex
	ended    bool
	serial   uint64            // of the message handed out last
	back     []numbered        // given back by consumers that left, in the order they were handed out
	settling []<-chan struct{} // closed when watermill has seen an acknowledgement
}

// numbered is a message with its place in the order in which messages were handed out.
type numbered struct {
	serial  uint64
	message *message.Message
}

// mostSettling bounds how many acknowledgements are followed. Those before have long been seen.
const mostSettling = 1024

// line is a subscriber that is subscribed.
type line struct {
	subscriber message.Subscriber
	messages   <-chan *message.Message
	stop       func()
}

// begin subscribes.
func (s *Source) begin(ctx context.Context, topic, name string) (*feed, error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	f := &feed{
		source: s, where: slog.Group("subscription", slog.String("topic", topic), slog.String("name", name)),
		arrived: make(chan *message.Message), failures: make(chan error), more: make(chan struct{}, 1), closing: make(chan struct{}), stop: stop,
	}
	for range s.parallel {
		at, err := s.subscribe(ctx, topic, name)
		if err != nil {
			f.close()
			return nil, err
		}
		f.lines.Go(func() { f.run(running, at, topic, name) })
	}
	return f, nil
}

// subscribe gets a subscriber and subscribes with it. One that has not subscribed when the context ends is closed once it has.
func (s *Source) subscribe(ctx context.Context, topic, name string) (*line, error) {
	subscriber, err := s.subscribers(ctx, topic, name)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	at := &line{subscriber: subscriber, stop: stop}
	err = bounded(ctx, func() (err error) {
		if at.messages, err = subscriber.Subscribe(running, topic); err != nil {
			at.abandon()
		}
		return err
	}, at.abandon)
	if err != nil {
		stop()
		return nil, unavailable(ctx, err)
	}
	return at, nil
}

// abandon closes a subscriber nobody has heard of.
func (at *line) abandon() {
	at.stop()
	_ = at.subscriber.Close() // it was not of use to anybody
}

// bounded waits for a call that knows no context, as long as the context goes on. A call that is left behind is followed by another once it
// ends.
func bounded(ctx context.Context, call func() error, late func()) error {
	answers := make(chan error)
	go func() {
		err := call()
		select {
		case answers <- err:
		case <-ctx.Done():
			late()
		}
	}()
	select {
	case err := <-answers:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run forwards messages until the feed is closed. A subscriber that ends by itself is replaced.
func (f *feed) run(ctx context.Context, at *line, topic, name string) {
	for at != nil {
		ended := f.forward(at)
		f.end(at)
		if !ended {
			return
		}
		f.source.log.Warn("a subscriber ended by itself, another takes its place", f.where)
		at = f.replace(ctx, topic, name)
	}
}

// forward reports whether the subscriber ended by itself.
func (f *feed) forward(at *line) bool {
	for {
		select {
		case m, ok := <-at.messages:
			if !ok {
				return true
			}
			select {
			case f.arrived <- m:
			case <-f.closing:
				m.Nack()
				return false
			}
		case <-f.closing:
			return false
		}
	}
}

// replace subscribes again until it succeeds, and returns nil when the feed is closed.
func (f *feed) replace(ctx context.Context, topic, name string) *line {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if !wait(ctx, pause) {
			return nil
		}
		at, err := f.source.subscribe(ctx, topic, name)
		if err == nil {
			return at
		}
		f.source.log.Warn("not subscribed, which is tried again", f.where, slog.Any("error", err))
		select {
		case f.failures <- err:
		default: // nobody waits
		}
	}
}

// end closes a subscriber. What it still gives is given back.
func (f *feed) end(at *line) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for m := range at.messages {
			m.Nack()
		}
	}()
	err := within(f.source.timeout, "a subscriber does not end", func() error {
		err := at.subscriber.Close()
		at.stop()
		<-drained
		return err
	})
	at.stop()
	if err != nil {
		f.source.log.Warn("a subscriber did not close", f.where, slog.Any("error", err))
	}
}

// close ends the feed once watermill has seen what was acknowledged, or has had a second for it.
func (f *feed) close() {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return
	}
	f.ended = true
	settling := f.settling
	f.mu.Unlock()
	late := time.NewTimer(time.Second)
	defer late.Stop()
	for _, seen := range settling {
		select {
		case <-seen:
			continue
		case <-late.C:
		}
		break
	}
	close(f.closing)
	f.stop()
	f.mu.Lock()
	back := f.back
	f.back = nil
	f.mu.Unlock()
	for i := range back {
		back[i].message.Nack()
	}
	f.lines.Wait()
}

// hand numbers a message that is handed out.
func (f *feed) hand(m *message.Message) numbered {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial++
	return numbered{f.serial, m}
}

// given takes messages that were given back.
func (f *feed) given(limit int) []numbered {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := min(limit, len(f.back))
	taken := f.back[:count:count]
	if f.back = f.back[count:]; len(f.back) > 0 {
		wake(f.more)
	}
	return taken
}

// giveBack takes what a consumer that leaves has not settled, for the next one. A feed that is closed refuses it to watermill.
func (f *feed) giveBack(held []numbered) {
	f.mu.Lock()
	ended := f.ended
	if !ended {
		f.back = append(f.back, held...)
		slices.SortFunc(f.back, func(a, b numbered) int {
			if a.serial < b.serial {
				return -1
			}
			return 1
		})
		wake(f.more)
	}
	f.mu.Unlock()
	if ended {
		for i := range held {
			held[i].message.Nack()
		}
	}
}

// settle acknowledges messages.
func (f *feed) settle(messages []*message.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.settling) > 0 && isClosed(f.settling[0]) {
		f.settling = f.settling[1:]
	}
	for _, m := range messages {
		m.Ack()
		if seen := m.Context().Done(); seen != nil {
			f.settling = append(f.settling, seen)
		}
	}
	if over := len(f.settling) - mostSettling; over > 0 {
		f.settling = slices.Clone(f.settling[over:])
	}
}

func isClosed(signal <-chan struct{}) bool {
	select {
	case <-signal:
		return true
	default:
		return false
	}
}

// wake says something that is heard once, however often it is said.
func wake(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
