package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// The sides of the contests on loading.
const (
	handLoad        = "load 1,000 events: by hand"
	productLoad     = "load 1,000 events: Carillon"
	handSnapshot    = "load snapshot + 10 events: by hand"
	productSnapshot = "load snapshot + 10 events: Carillon"
	ownCodec        = ", own codec"
)

const (
	streamLength  = 1000
	behindTheSnap = 10
)

// streamsOf are the streams of a log, of one length, with the states they come to.
type streamsOf struct {
	count, length int
	states        []Customer
	snapshots     []Customer // the states without the last events
}

func newStreams(count, length int) streamsOf {
	s := streamsOf{count: count, length: length, states: make([]Customer, count), snapshots: make([]Customer, count)}
	for i := range count {
		for version := range length {
			if version == length-behindTheSnap {
				s.snapshots[i] = s.states[i]
			}
			s.states[i] = s.states[i].Placed(orderFor(s.number(i, version), customerKey(i)))
		}
	}
	return s
}

// number is the number of a stream's event; the streams' events are mixed in the log.
func (s streamsOf) number(stream, version int) int { return version*s.count + stream }

func (s streamsOf) at(n int) (stream string, version int64, payload []byte) {
	customer := customerKey(n % s.count)
	return customerStream(customer), int64(n/s.count) + 1, payloadFor(n, customer)
}

func (s streamsOf) check(i int, state Customer, version int64) error {
	if state != s.states[i] || version != int64(s.length) {
		return fmt.Errorf("stream %d is loaded as %+v at version %d, it is %+v at %d", i, state, version, s.states[i], s.length)
	}
	return nil
}

// loads holds loading a long stream against the same by hand.
func loads(ctx context.Context, w *workspace) (*contest, error) {
	return loading(ctx, w, newStreams(w.streams, streamLength), loadCase{
		handSide: side{name: handLoad, what: "one prepared SELECT, encoding/json, fold"},
		side:     side{name: productLoad, what: "Bound.Load of package sourcing, no hot states, encoding/json"},
		decider:  customers(),
		claim:    claim{work: "load a stream of 1,000 events", against: "the same by hand", floor: 0.85},
	})
}

// snapshotLoads holds loading a snapshot and what happened since against the same by hand.
func snapshotLoads(ctx context.Context, w *workspace) (*contest, error) {
	return loading(ctx, w, newStreams(w.streams, streamLength+behindTheSnap), loadCase{
		handSide:  side{name: handSnapshot, what: "two prepared SELECTs on one connection, encoding/json, fold"},
		side:      side{name: productSnapshot, what: "Bound.Load of package sourcing, with snapshots, no hot states, encoding/json"},
		decider:   customers(sourcing.SnapshotEvery[Customer](streamLength)),
		snapshots: true,
		claim:     claim{work: "snapshot + 10 events", against: "the same by hand, one round trip", floor: 0.80},
	})
}

// loadCase is what differs between the two contests.
type loadCase struct {
	handSide, side side
	decider        *sourcing.Decider[Customer]
	snapshots      bool
	claim          claim
}

func loading(ctx context.Context, w *workspace, s streamsOf, c loadCase) (*contest, error) {
	w.say("  building two logs of %d streams of %d events", s.count, s.length)
	path := w.path("hand.db")
	hand, err := openHandLog(path)
	if err != nil {
		return nil, err
	}
	if err := hand.fill(s.count*s.length, s.at); err != nil {
		return nil, errors.Join(err, hand.close())
	}
	logs := &openLogs{}
	closeAll := func() error { return errors.Join(logs.close(), hand.close()) }
	p, err := fillStreams(ctx, w, logs, s)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	if c.snapshots {
		err = errors.Join(hand.saveSnapshots(s), p.saveSnapshots(ctx, s, c.decider.Fingerprint()))
	}
	same, sameErr := sourcing.Bind(c.decider, sourcing.Runtime{Log: p.log, Snapshots: p.store.Snapshots(), HotStates: -1, Codec: standardCodec{}})
	own, ownErr := sourcing.Bind(c.decider, sourcing.Runtime{Log: p.log, Snapshots: p.store.Snapshots(), HotStates: -1})
	if err := errors.Join(err, sameErr, ownErr); err != nil {
		return nil, errors.Join(err, closeAll())
	}
	reader, err := openHandReader(path, c.snapshots)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	fast := side{name: c.side.name + ownCodec, what: "the same with the default codec", unit: "loads"}
	c.handSide.unit, c.side.unit = "loads", "loads"
	c.handSide.run = func(_ context.Context, duration time.Duration) (result, error) {
		return crowd(1, duration, func(_, n int) error {
			i := n % s.count
			state, version, err := reader.load(customerStream(customerKey(i)))
			return errors.Join(err, s.check(i, state, version))
		})
	}
	loadAll := func(bound *sourcing.Bound[Customer]) runFunc {
		return func(ctx context.Context, duration time.Duration) (result, error) {
			return crowd(1, duration, func(_, n int) error {
				i := n % s.count
				state, version, err := bound.Load(ctx, customerKey(i))
				return errors.Join(err, s.check(i, state, version))
			})
		}
	}
	c.side.run, fast.run = loadAll(same), loadAll(own)
	c.claim.value = ratio(c.side.name, c.handSide.name)
	faster := claim{work: "… with the default codec", against: c.claim.against + ", with encoding/json", value: ratio(fast.name, c.handSide.name)}
	return &contest{
		sides: []side{c.handSide, c.side, fast}, claims: []claim{c.claim, faster},
		close: func() error { return errors.Join(reader.close(), closeAll()) },
	}, nil
}

func fillStreams(ctx context.Context, w *workspace, logs *openLogs, s streamsOf) (*product, error) {
	path := w.path("carillon.db")
	err := fillProduct(ctx, path, s.count*s.length, func(n int) (string, int64, carillon.Message) {
		stream, version, payload := s.at(n)
		return stream, version, carillon.Message{Key: customerKey(n % s.count), Payload: payload}
	})
	if err != nil {
		return nil, err
	}
	return logs.open(ctx, path)
}

// saveSnapshots saves each stream's state as it was before the last events.
func (p *product) saveSnapshots(ctx context.Context, s streamsOf, fingerprint string) error {
	for i, state := range s.snapshots {
		encoded, err := json.Marshal(state)
		if err != nil {
			return err
		}
		err = p.store.Snapshots().SaveSnapshot(ctx, carillon.Snapshot{
			Key: customerStream(customerKey(i)), At: int64(s.length - behindTheSnap), Fingerprint: fingerprint, State: encoded,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *handLog) saveSnapshots(s streamsOf) error {
	stmt, err := prepare(l.conn, "INSERT INTO snapshots VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer stmt.Close()
	for i, state := range s.snapshots {
		encoded, err := json.Marshal(state)
		if err != nil {
			return err
		}
		err = first(stmt.BindText(1, customerStream(customerKey(i))), stmt.BindInt64(2, int64(s.length-behindTheSnap)), stmt.BindBlob(3, encoded), stmt.Exec())
		if err != nil {
			return err
		}
	}
	return nil
}
