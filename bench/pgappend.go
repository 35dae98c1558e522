package main

import (
	"context"
	"errors"
	"time"
)

// The sides of the contest on appends to PostgreSQL.
const (
	pgHandAppendOne     = "PostgreSQL append, 1 caller: by hand"
	pgProductAppendOne  = "PostgreSQL append, 1 caller: Carillon"
	pgHandAppendMany    = "PostgreSQL append, 64 callers: by hand"
	pgPlainAppendMany   = "PostgreSQL append, 64 callers: 64 plain connections"
	pgRiverInsert       = "River insert, 16 callers"
	pgProductAppendMany = "PostgreSQL append, 64 callers: Carillon"
)

// pgAppends holds single appends to PostgreSQL against one statement a transaction, and concurrent ones against a hand-written
// group commit, plain connections and River. Every run starts with empty tables.
func pgAppends(ctx context.Context, w *workspace) (*contest, error) {
	d, err := openPG(ctx, w)
	if err != nil {
		return nil, err
	}
	payload := payloadFor(1, customerKey(1))
	plain := func(callers int32) func(context.Context, time.Duration) (result, error) {
		return func(ctx context.Context, duration time.Duration) (result, error) {
			return pgPlainAppends(ctx, d, duration, callers, payload)
		}
	}
	product := func(callers int) func(context.Context, time.Duration) (result, error) {
		return func(ctx context.Context, duration time.Duration) (result, error) {
			return d.onProduct(ctx, func(_ string, p *product) (result, error) { return appendTo(ctx, p, duration, callers, payload) })
		}
	}
	const (
		plainWhat   = "one prepared statement a transaction: it counts the head up, which locks it, and inserts; the unique index checks the version"
		productWhat = "eventlog.Append with an expected version"
	)
	return &contest{
		close: d.close,
		sides: []side{
			{name: pgHandAppendOne, unit: "events", what: plainWhat, run: plain(1)},
			{name: pgProductAppendOne, unit: "events", what: productWhat, run: product(1)},
			{
				name: pgHandAppendMany, unit: "events", what: "a channel and one goroutine that writes whatever waits in one such statement, over one connection",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return pgGroupAppends(ctx, d, duration, payload)
				},
			},
			{name: pgProductAppendMany, unit: "events", what: productWhat, run: product(many)},
			{name: pgPlainAppendMany, unit: "events", what: plainWhat, run: plain(many)},
			{
				name: pgRiverInsert, unit: "jobs", what: "v0.51.1 on its pgx driver, Client.Insert, arguments of the same size",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return riverInserts(ctx, d, duration)
				},
			},
		},
		claims: []claim{
			{
				work: "PostgreSQL: append, one caller", against: "one checked INSERT a transaction", floor: 0.90,
				value: ratio(pgProductAppendOne, pgHandAppendOne),
			},
			{
				work: "PostgreSQL: append, 64 callers", against: "hand-written group commit, one connection, the same lock", floor: 0.85,
				value: ratio(pgProductAppendMany, pgHandAppendMany),
			},
			{
				work: "PostgreSQL: append, 64 callers", against: "64 plain connections", floor: 3,
				value: ratio(pgProductAppendMany, pgPlainAppendMany),
			},
			{
				work: "PostgreSQL: append, 64 callers", against: "River's insert, 16 callers", floor: 8,
				value: ratio(pgProductAppendMany, pgRiverInsert),
			},
		},
	}, nil
}

func pgPlainAppends(ctx context.Context, d *pgDatabase, duration time.Duration, callers int32, payload []byte) (result, error) {
	return d.onHand(ctx, callers, func(l *pgHandLog) (result, error) {
		streams := appendStreams(int(callers))
		got, err := crowd(int(callers), duration, func(caller, n int) error {
			stream, version := nth(streams[caller], n)
			return l.append(ctx, stream, version, payload)
		})
		return got, errors.Join(err, l.check(ctx, got.done))
	})
}

func pgGroupAppends(ctx context.Context, d *pgDatabase, duration time.Duration, payload []byte) (result, error) {
	return d.onHand(ctx, 1, func(l *pgHandLog) (result, error) {
		group := startHandGroup((&pgHandWriter{log: l}).write)
		requests, streams := handRequests(), appendStreams(many)
		got, err := crowd(many, duration, func(caller, n int) error {
			r := requests[caller]
			r.stream, r.version = nth(streams[caller], n)
			r.payload = payload
			return group.append(r)
		})
		group.close()
		return got, errors.Join(err, l.check(ctx, got.done))
	})
}

// appendTo lets callers append to streams of their own in an empty log, and checks what it holds.
func appendTo(ctx context.Context, p *product, duration time.Duration, callers int, payload []byte) (result, error) {
	streams := appendStreams(callers)
	got, err := crowd(callers, duration, func(caller, n int) error {
		stream, version := nth(streams[caller], n)
		return p.appendOne(ctx, stream, version, payload)
	})
	return got, errors.Join(err, p.check(ctx, 0, got.done))
}
