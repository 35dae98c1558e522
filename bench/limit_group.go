package main

import "errors"

// handGroup is the hand-written group commit: callers send their events down a channel to one goroutine, which takes whatever
// waits, has it written in one transaction and answers each.
type handGroup struct {
	write    func(batch []*handRequest) error // sets the outcome of each request; an error is that of all that have none
	requests chan *handRequest
	stopped  chan struct{}
}

// handRequest is one caller's append to a log, or messages to a topic. A caller has one and uses it again.
type handRequest struct {
	stream  string
	version int64
	payload []byte
	parcels []parcel
	err     error
	done    chan struct{}
}

func newHandRequest() *handRequest { return &handRequest{done: make(chan struct{}, 1)} }

func startHandGroup(write func(batch []*handRequest) error) *handGroup {
	g := &handGroup{write: write, requests: make(chan *handRequest, 1024), stopped: make(chan struct{})}
	go g.run()
	return g
}

// append returns once the request is committed and flushed, or refused.
func (g *handGroup) append(r *handRequest) error {
	g.requests <- r
	<-r.done
	return r.err
}

// appender is append for callers of whom each has a request.
func (g *handGroup) appender() func(caller int, stream string, version int64, payload []byte) error {
	requests := handRequests()
	return func(caller int, stream string, version int64, payload []byte) error {
		r := requests[caller]
		r.stream, r.version, r.payload = stream, version, payload
		return g.append(r)
	}
}

func (g *handGroup) run() {
	defer close(g.stopped)
	var batch []*handRequest
	for request := range g.requests {
		batch = g.gather(append(batch[:0], request))
		err := g.write(batch)
		for _, r := range batch {
			if r.err == nil {
				r.err = err
			}
			r.done <- struct{}{}
		}
	}
}

// gather takes what waits.
func (g *handGroup) gather(batch []*handRequest) []*handRequest {
	for {
		select {
		case request, ok := <-g.requests:
			if !ok {
				return batch
			}
			batch = append(batch, request)
		default:
			return batch
		}
	}
}

// write commits a batch. A version that is taken is that caller's outcome alone.
func (l *handLog) write(batch []*handRequest) error {
	if err := l.begin.Exec(); err != nil {
		return err
	}
	for _, r := range batch {
		r.err = l.add(r.stream, r.version, orderPlaced, r.payload)
		if r.err != nil && !errors.Is(r.err, errVersionTaken) {
			return errors.Join(r.err, l.rollback.Exec())
		}
	}
	return l.commit.Exec()
}

// close stops the goroutine once everything sent is answered. The log stays open.
func (g *handGroup) close() {
	close(g.requests)
	<-g.stopped
}
