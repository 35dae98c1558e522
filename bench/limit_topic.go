package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// handTable is where a hand-written topic keeps its messages, at positions from 1 on without gaps.
type handTable interface {
	// add writes the messages of all requests in one transaction, flushed when it returns.
	add(batch []*handRequest) error
	// read calls a function with the messages behind a position, at most so many, and returns how far it came.
	read(after int64, limit int, each func(handRow) error) (int64, error)
	// settle notes how far everything is handled and deletes it. That is not flushed.
	settle(position int64) error
	// ship handles messages in one transaction, flushed when it returns: those that are not in the inbox are put there, [ship] is
	// called, and what it returns is written as the effect and into the outbox.
	ship(batch []inboxRow) error
	// shipped counts what is in the outbox.
	shipped() (int64, error)
	close() error
}

// handRow is a message as it stands in a table, in memory that is used again: its id of 16 bytes, and the rest.
type handRow struct{ id, typ, key, payload []byte }

// handTopic is a topic by hand: group commit through a channel, and one goroutine that reads what is behind the last message it handled
// whenever something was committed. What is handled is noted and deleted every 50 ms.
type handTopic struct {
	table    handTable
	group    *handGroup
	requests []*handRequest
	more     chan struct{}
	stop     chan struct{}
	handled  atomic.Int64
	running  sync.WaitGroup

	mu      sync.Mutex
	failure error
}

// handPage is how many messages a tail reads at once.
const handPage = 1024

// settleEvery is how often it is noted what is handled.
const settleEvery = 50 * time.Millisecond

func startHandTopic(table handTable, callers int, handle receiver) *handTopic {
	t := &handTopic{table: table, requests: make([]*handRequest, callers), more: make(chan struct{}, 1), stop: make(chan struct{})}
	for i := range t.requests {
		t.requests[i] = newHandRequest()
	}
	t.group = startHandGroup(func(batch []*handRequest) error {
		for _, r := range batch {
			r.err = nil
		}
		err := table.add(batch)
		select {
		case t.more <- struct{}{}:
		default:
		}
		return err
	})
	t.running.Go(func() { t.fail(t.tail(handle)) })
	t.running.Go(func() { t.fail(t.note()) })
	return t
}

func (t *handTopic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = errors.Join(t.failure, err)
}

// tail handles messages as they come.
func (t *handTopic) tail(handle receiver) error {
	for {
		select {
		case <-t.more:
		case <-t.stop:
			return nil
		}
		for {
			before := t.handled.Load()
			through, err := t.table.read(before, handPage, func(row handRow) error { return handle(row.payload) })
			if err != nil {
				return err
			}
			if through == before {
				break
			}
			t.handled.Store(through)
		}
	}
}

// note notes once in a while how far everything is handled.
func (t *handTopic) note() error {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	noted := int64(0)
	for over := false; !over; {
		select {
		case <-ticker.C:
		case <-t.stop:
			over = true
		}
		if handled := t.handled.Load(); handled > noted {
			if err := t.table.settle(handled); err != nil {
				return err
			}
			noted = handled
		}
	}
	return nil
}

func (t *handTopic) send(_ context.Context, caller int, batch []parcel) error {
	r := t.requests[caller]
	r.parcels = batch
	return t.group.append(r)
}

func (t *handTopic) close() error {
	t.group.close()
	close(t.stop)
	t.running.Wait()
	return errors.Join(t.failure, t.table.close())
}
