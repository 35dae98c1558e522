package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// many is how many callers there are where there are many.
	many = 64
	// streamsEach is how many streams each caller appends to, in turn.
	streamsEach = 100
)

// The sides of the contest on appends.
const (
	handAppendOne     = "append, 1 caller: by hand"
	productAppendOne  = "append, 1 caller: Carillon"
	handAppendMany    = "append, 64 callers: by hand"
	productAppendMany = "append, 64 callers: Carillon"
)

// appends holds single appends against prepared statements, and concurrent ones against a hand-written group commit. Every run
// starts with an empty file.
func appends(_ context.Context, w *workspace) (*contest, error) {
	payload := payloadFor(1, customerKey(1))
	return &contest{
		sides: []side{
			{
				name: handAppendOne, unit: "events", what: "prepared statements, one event a transaction, the version checked by the unique index",
				run: func(_ context.Context, duration time.Duration) (result, error) {
					return handAppends(w, duration, payload)
				},
			},
			{
				name: productAppendOne, unit: "events", what: "eventlog.Append with an expected version",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return productAppends(ctx, w, duration, 1, payload)
				},
			},
			{
				name: handAppendMany, unit: "events", what: "a channel and one goroutine that commits whatever waits, one flush for all",
				run: func(_ context.Context, duration time.Duration) (result, error) {
					return handGroupAppends(w, duration, payload)
				},
			},
			{
				name: productAppendMany, unit: "events", what: "eventlog.Append with an expected version",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return productAppends(ctx, w, duration, many, payload)
				},
			},
		},
		claims: []claim{
			{
				work: "append, one caller", against: "prepared statements, one event a transaction", floor: 0.90,
				value: ratio(productAppendOne, handAppendOne),
			},
			{
				work: "append, 64 callers", against: "hand-written group commit", floor: 0.85,
				value: ratio(productAppendMany, handAppendMany),
			},
			{
				work: "append, 64 callers", against: "its own rate with one caller", floor: 6,
				value: ratio(productAppendMany, productAppendOne),
			},
		},
	}, nil
}

// appendStreams are the streams each caller appends to.
func appendStreams(callers int) [][]string {
	streams := make([][]string, callers)
	for caller := range streams {
		streams[caller] = make([]string, streamsEach)
		for i := range streams[caller] {
			streams[caller][i] = fmt.Sprintf("customer-%02d-%04d", caller, i)
		}
	}
	return streams
}

// nth is the stream of a caller's nth append, and the version it writes there.
func nth(streams []string, n int) (stream string, version int64) {
	return streams[n%len(streams)], int64(n/len(streams)) + 1
}

func handAppends(w *workspace, duration time.Duration, payload []byte) (result, error) {
	log, err := openHandLog(w.path("hand.db"))
	if err != nil {
		return result{}, err
	}
	streams := appendStreams(1)[0]
	got, err := crowd(1, duration, func(_, n int) error {
		stream, version := nth(streams, n)
		return log.append(stream, version, payload)
	})
	return got, errors.Join(err, checkHand(log, got.done), log.close())
}

func handGroupAppends(w *workspace, duration time.Duration, payload []byte) (result, error) {
	log, err := openHandLog(w.path("hand.db"))
	if err != nil {
		return result{}, err
	}
	group := startHandGroup(log.write)
	requests := handRequests()
	streams := appendStreams(many)
	got, err := crowd(many, duration, func(caller, n int) error {
		r := requests[caller]
		r.stream, r.version = nth(streams[caller], n)
		r.payload = payload
		return group.append(r)
	})
	group.close()
	return got, errors.Join(err, checkHand(log, got.done), log.close())
}

func handRequests() []*handRequest {
	requests := make([]*handRequest, many)
	for i := range requests {
		requests[i] = newHandRequest()
	}
	return requests
}

// checkHand checks that a hand-written log holds what was acknowledged.
func checkHand(log *handLog, want int64) error {
	events, bytes, err := log.totals()
	if err != nil {
		return err
	}
	if events != want || bytes != want*payloadBytes {
		return fmt.Errorf("%d events were acknowledged, the log holds %d with %d bytes", want, events, bytes)
	}
	return nil
}

func productAppends(ctx context.Context, w *workspace, duration time.Duration, callers int, payload []byte) (result, error) {
	p, err := openProduct(ctx, w.path("carillon.db"))
	if err != nil {
		return result{}, err
	}
	got, err := appendTo(ctx, p, duration, callers, payload)
	return got, errors.Join(err, p.close())
}
