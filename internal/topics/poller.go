package topics

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// pollFastest and pollSlowest are how often the tables are asked for what other processes published: fast while there is some.
	pollFastest = 10 * time.Millisecond
	pollSlowest = 200 * time.Millisecond
	// pruneAtMost is how many times in a row something is deleted.
	pruneAtMost = 8
)

// poller looks for what other processes did, and deletes what nobody needs. It begins when it is needed first.
type poller struct {
	hub *Hub

	mu      sync.Mutex
	stopped bool
	cancel  context.CancelFunc
	done    chan struct{}
	asked   chan *stream
	joined  chan struct{}
}

// begin starts the poller if it does not run, and reports whether it does.
func (p *poller) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || p.cancel != nil {
		return !p.stopped
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	p.asked, p.joined = make(chan *stream, 16), make(chan struct{}, 1)
	go p.run(ctx)
	return true
}

// stop ends the poller for good.
func (p *poller) stop() {
	p.mu.Lock()
	p.stopped = true
	cancel, done := p.cancel, p.done
	p.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// ask has something of a topic deleted soon. When it is busy with others it forgets about it until somebody asks again.
func (p *poller) ask(s *stream) {
	if !p.begin() {
		return
	}
	select {
	case p.asked <- s:
	default:
	}
}

// watch says that there is another consumer.
func (p *poller) watch() {
	if !p.begin() {
		return
	}
	select {
	case p.joined <- struct{}{}:
	default:
	}
}

func (p *poller) run(ctx context.Context) {
	defer close(p.done)
	interval := pollFastest
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		if p.hub.settings.Alone || len(p.hub.watched()) == 0 {
			timer.Stop()
		} else {
			timer.Reset(interval)
		}
		select {
		case <-ctx.Done():
			return
		case s := <-p.asked:
			p.prune(ctx, s)
		case <-p.joined:
			interval = pollFastest
		case <-timer.C:
			if p.look(ctx) {
				interval = pollFastest
			} else {
				interval = min(interval+interval/2, pollSlowest)
			}
		}
	}
}

// look asks where the topics with consumers stand, and reports whether that is further than was known.
func (p *poller) look(ctx context.Context) (moved bool) {
	streams := p.hub.watched()
	topics := make([]Topic, len(streams))
	byID := make(map[int64]*stream, len(streams))
	for i, s := range streams {
		topics[i], byID[s.ID] = s.Topic, s
	}
	ctx, cancel := context.WithTimeout(ctx, p.hub.settings.Timeout)
	defer cancel()
	sights, err := p.hub.tables.Look(ctx, topics)
	if err != nil {
		p.warn(ctx, "look for messages of other processes", err)
		return false
	}
	for _, sight := range sights {
		if byID[sight.Topic].see(sight.Last, sight.Changes) {
			moved = true
		}
	}
	return moved
}

func (p *poller) prune(ctx context.Context, s *stream) {
	ctx, cancel := context.WithTimeout(ctx, p.hub.settings.Timeout)
	defer cancel()
	for range pruneAtMost {
		more, err := p.hub.tables.Prune(ctx, s.Topic)
		if err != nil {
			p.warn(ctx, "delete messages that nobody needs", err)
		}
		if err != nil || !more {
			return
		}
	}
}

// tablesFailed is logged when something in the background failed that is tried again.
const tablesFailed = "a call to the tables of topics failed"

func (p *poller) warn(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		p.hub.settings.Logger.LogAttrs(ctx, slog.LevelWarn, tablesFailed, slog.String("what", what), slog.Any("error", err))
	}
}

// watched are the topics with consumers in this process.
func (h *Hub) watched() []*stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	var watched []*stream
	for _, s := range h.streams {
		s.mu.Lock()
		if len(s.consumers) > 0 {
			watched = append(watched, s)
		}
		s.mu.Unlock()
	}
	return watched
}
