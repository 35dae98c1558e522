package jetstream

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// readAhead is how many messages of a partition are read before they are asked for, and readAheadBytes how many bytes of all
	// partitions of a topic, roughly.
	readAhead      = 512
	readAheadBytes = 64 << 20
	// A server that is silent for so many heartbeats has lost the consumer.
	heartbeat      = 2 * time.Second
	heartbeatsMost = 3
	pullTime       = 30 * time.Second
	// idleTime is how long the server keeps a consumer that nobody reads from.
	idleTime = time.Minute
)

// reader reads a partition in order. It asks the server for a consumer that starts behind the last message it has, and for another
// one whenever a message is missing or the server is silent. Its fields are guarded by the subscription's lock.
type reader struct {
	subscription *subscription
	partition    *partition
	subject      string
	capacity     int

	stop    chan struct{}
	restart chan struct{}

	consumer    string // "" while there is none to read from
	made        string // the last consumer, also when it is to be replaced
	inbox       string
	pull        string // subject of requests
	delivered   uint64 // the consumer's own count
	outstanding int    // asked for and not received
	heard       time.Time
}

func newReader(s *subscription, p *partition) *reader {
	return &reader{
		subscription: s, partition: p, subject: s.topic.subjects[p.number], capacity: min(readAhead, s.options.MaxUnsettled),
		stop: make(chan struct{}), restart: make(chan struct{}, 1),
	}
}

// run reads until stop is closed.
func (r *reader) run() {
	wait := 25 * time.Millisecond
	for {
		if err := r.open(); err != nil {
			r.subscription.log.Debug("reading a partition failed", slog.Int("partition", r.partition.number), slog.Any("error", err))
			wait = min(2*wait, time.Second)
		} else if useful, again := r.watch(); !again {
			return
		} else if useful {
			wait = 25 * time.Millisecond
		} else {
			wait = min(2*wait, time.Second)
		}
		select {
		case <-r.stop:
			return
		case <-time.After(wait):
		}
	}
}

// watch waits until the consumer is to be replaced, or, reporting false, until there is no need for one. A consumer was useful if it
// lived for a while.
func (r *reader) watch() (useful, again bool) {
	began := time.Now()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	defer r.close()
	for {
		select {
		case <-r.stop:
			return false, false
		case <-r.restart:
			return time.Since(began) > heartbeat, true
		case <-ticker.C:
			r.subscription.mu.Lock()
			silent := r.outstanding > 0 && time.Since(r.heard) > heartbeatsMost*heartbeat
			r.subscription.mu.Unlock()
			if silent {
				return true, true
			}
		}
	}
}

func (r *reader) open() error {
	s := r.subscription
	ctx, cancel := s.broker.attempt(s.broker.source.timeout)
	defer cancel()
	go func() {
		select {
		case <-r.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	s.mu.Lock()
	from := r.partition.received + 1
	s.mu.Unlock()
	name := rand.Text()
	_, err := s.broker.js.CreateConsumer(ctx, s.topic.stream, jetstream.ConsumerConfig{
		Name: name, Description: "Carillon: subscription " + s.name, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		FilterSubject: r.subject, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, InactiveThreshold: idleTime,
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-r.restart: // meant the consumer before
	default:
	}
	s.readers[name] = r
	r.consumer, r.made, r.inbox, r.delivered, r.outstanding, r.heard = name, name, s.arrivals.prefix+name, 0, 0, time.Now()
	r.pull = jetstream.DefaultAPIPrefix + "CONSUMER.MSG.NEXT." + s.topic.stream + "." + name
	r.ask()
	return nil
}

func (r *reader) close() {
	s := r.subscription
	s.mu.Lock()
	consumer, inbox := r.made, r.inbox
	delete(s.readers, consumer)
	r.consumer, r.made, r.outstanding = "", "", 0
	s.mu.Unlock()
	_ = s.broker.conn.PublishRequest(jetstream.DefaultAPIPrefix+"CONSUMER.DELETE."+s.topic.stream+"."+consumer, inbox, nil)
}

// again replaces the consumer.
func (r *reader) again() {
	r.consumer = ""
	select {
	case r.restart <- struct{}{}:
	default:
	}
}

// ask requests as much as there is room for, once it is worth a request.
func (r *reader) ask() {
	room := r.capacity - r.partition.buffer.len() - r.outstanding
	if r.consumer == "" || r.partition.gone || room < (r.capacity+1)/2 {
		return
	}
	s := r.subscription
	most := int(s.broker.conn.MaxPayload()) + headerRoom
	request, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{Batch: room, MaxBytes: max(most, readAheadBytes/len(s.topic.subjects)), Expires: pullTime, Heartbeat: heartbeat})
	if err != nil {
		return
	}
	if s.broker.conn.PublishRequest(r.pull, r.inbox, request) == nil {
		r.outstanding += room
	} // otherwise the connection is gone, and a new one restarts the reader
	r.heard = time.Now()
}

// receive takes what has arrived for the reader.
func (r *reader) receive(a *arrived) {
	if r.consumer != a.consumer {
		return
	}
	r.heard = time.Now()
	switch {
	case !a.sent:
		r.status(a.msg)
	case a.place != r.delivered+1: // one is missing
		r.again()
	default:
		r.delivered++
		r.outstanding--
		p := r.partition
		if p.gone || a.sequence <= p.received {
			break
		}
		p.received = a.sequence
		p.buffer.push(a, p.base.settled(a.sequence))
		r.ask()
		r.subscription.signal()
	}
}

// status takes what the server says of a request.
func (r *reader) status(msg *nats.Msg) {
	text := msg.Header.Get("Description")
	switch msg.Header.Get("Status") {
	case "100":
	case "404", "408":
		r.ended(msg)
	case "409":
		if strings.Contains(text, "Consumer") || strings.Contains(text, "Leadership") || strings.Contains(text, "Shutdown") {
			r.again()
		} else {
			r.ended(msg)
		}
	default: // nobody answers for the consumer
		r.again()
	}
}

// ended accounts for a request that was not fulfilled.
func (r *reader) ended(msg *nats.Msg) {
	r.outstanding = max(0, r.outstanding-int(number(msg.Header.Get("Nats-Pending-Messages"))))
	r.ask()
}
