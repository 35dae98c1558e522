package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/eventlog"
)

// product is Carillon at its default settings on one file.
type product struct {
	store carillon.Store
	log   *eventlog.Log
}

func openProduct(ctx context.Context, path string, options ...sqlite.Option) (*product, error) {
	store, err := sqlite.File(path, options...).Open(ctx)
	if err != nil {
		return nil, err
	}
	return &product{store: store, log: eventlog.New(store.Log())}, nil
}

func (p *product) close() error { return p.store.Close() }

// fresh is a log over the same file that has read nothing yet.
func (p *product) fresh() *eventlog.Log { return eventlog.New(p.store.Log()) }

// fillProduct makes a file with many events. No append is flushed, and the file is whole when it returns.
func fillProduct(ctx context.Context, path string, count int, event func(n int) (stream string, version int64, message carillon.Message)) error {
	p, err := openProduct(ctx, path, sqlite.WithPossibleLoss(sqlite.WholeFile))
	if err != nil {
		return err
	}
	return errors.Join(p.fill(ctx, count, event), p.close())
}

// fill appends many events, each an append of its own, a thousand to a transaction.
func (p *product) fill(ctx context.Context, count int, event func(n int) (stream string, version int64, message carillon.Message)) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	batch := make([]carillon.Append, 0, 1000)
	for n := 0; n < count; {
		batch = batch[:0]
		for range min(cap(batch), count-n) {
			stream, version, message := event(n)
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			message.ID, message.Type, message.Time = id.String(), orderPlaced, now
			message.SchemaVersion, message.ContentType = 1, carillon.ContentTypeJSON
			batch = append(batch, carillon.Append{Stream: stream, Expect: carillon.Exactly(version - 1), Events: []carillon.Message{message}})
			n++
		}
		verdicts, err := p.store.Log().Append(ctx, batch)
		if err != nil {
			return err
		}
		for _, verdict := range verdicts {
			if verdict.Err != nil {
				return verdict.Err
			}
		}
	}
	return nil
}

// appendOne appends one event the way a program does.
func (p *product) appendOne(ctx context.Context, stream string, version int64, payload []byte) error {
	_, err := p.log.Append(ctx, carillon.Append{
		Stream: stream, Expect: carillon.Exactly(version - 1),
		Events: []carillon.Message{{Kind: carillon.KindEvent, Type: orderPlaced, Payload: payload}},
	})
	return err
}

// appendTagged appends one event without a stream, under a condition if there is one.
func (p *product) appendTagged(ctx context.Context, tags []carillon.Tag, condition *carillon.Condition, payload []byte) (carillon.Appended, error) {
	return p.log.Append(ctx, carillon.Append{
		Condition: condition,
		Events:    []carillon.Message{{Kind: carillon.KindEvent, Type: orderPlaced, Tags: tags, Payload: payload}},
	})
}

// check reads the log behind a position and counts: exactly so many events, without a gap, all of the right size.
func (p *product) check(ctx context.Context, after carillon.Position, want int64) error {
	at := after
	for batch, err := range p.log.Follow(ctx, after, eventlog.StopAtHead()) {
		if err != nil {
			return err
		}
		for i := range batch.Entries {
			at++
			event := &batch.Entries[i]
			if event.Position != at || len(event.Payload) != payloadBytes {
				return fmt.Errorf("position %d holds the event of position %d with %d bytes", at, event.Position, len(event.Payload))
			}
		}
	}
	if got := int64(at - after); got != want {
		return fmt.Errorf("%d events were acknowledged, the log holds %d", want, got)
	}
	return nil
}
