package main

import (
	"context"
	"errors"
	"fmt"
)

// The sides of the contest on conditional appends to PostgreSQL.
const (
	pgPlainAppend       = "PostgreSQL plain append, 64 callers, long log"
	pgTaggedAppend      = "PostgreSQL tagged append, 64 callers, long log"
	pgConditionalAppend = "PostgreSQL conditional append, 64 callers, long log"
	pgColdAppend        = "PostgreSQL conditional append on an old read, 64 callers, long log"
)

// pgConditional is [conditional] on PostgreSQL. Each side has a copy of the long log in a schema of its own, which stays from run
// to run.
func pgConditional(ctx context.Context, w *workspace) (*contest, error) {
	d, err := openPG(ctx, w)
	if err != nil {
		return nil, err
	}
	c, err := pgConditionalOn(ctx, w, d)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return c, nil
}

func pgConditionalOn(ctx context.Context, w *workspace, d *pgDatabase) (*contest, error) {
	const against = "plain append, 64 callers, same log"
	c := &contest{close: d.close, claims: []claim{
		{
			work:    fmt.Sprintf("PostgreSQL: conditional append (DCB, two tags), 64 callers, log of %s events", grouped(w.events)),
			against: against, floor: 0.60, value: ratio(pgConditionalAppend, pgPlainAppend),
		},
		{work: "… decided on an old read", against: against, value: ratio(pgColdAppend, pgPlainAppend)},
		{work: "… two tags and no condition", against: against, value: ratio(pgTaggedAppend, pgPlainAppend)},
	}}
	built := ""
	for _, s := range []struct {
		name, what string
		start      func(p *product, w *workspace) appender
	}{
		{pgPlainAppend, "eventlog.Append to a stream of the log with an expected version", plainAppends},
		{pgTaggedAppend, "eventlog.Append of an event with two tags of the log, without a condition", taggedAppends},
		{pgConditionalAppend, "eventlog.Append of an event with two tags of the log and a condition on both, behind the caller's previous append", conditionalAppends},
		{pgColdAppend, "eventlog.Append of an event with two tags of the log and a condition on both, behind the caller's last use of them", coldAppends},
	} {
		schema := d.name()
		p, err := d.kept(ctx, schema)
		if err != nil {
			return nil, err
		}
		if built == "" {
			built = schema
			w.say("  building four logs of %s events", grouped(w.events))
			err = p.fill(ctx, w.events, taggedOrder)
		} else {
			err = d.copyLog(ctx, schema, built)
		}
		if err != nil {
			return nil, err
		}
		if err := d.tidy(ctx, schema+".events", schema+".tags"); err != nil {
			return nil, err
		}
		c.sides = append(c.sides, side{name: s.name, unit: "events", what: s.what, run: appendsBehind(p, s.start(p, w))})
	}
	return c, nil
}

// copyLog copies the log of one schema into the empty one of another.
func (d *pgDatabase) copyLog(ctx context.Context, to, from string) error {
	return d.exec(ctx,
		fmt.Sprintf("INSERT INTO %s.types (id, name) OVERRIDING SYSTEM VALUE SELECT id, name FROM %s.types", to, from),
		fmt.Sprintf("INSERT INTO %s.events SELECT * FROM %s.events ORDER BY position", to, from),
		fmt.Sprintf("INSERT INTO %s.tags SELECT * FROM %s.tags ORDER BY position", to, from),
		fmt.Sprintf("UPDATE %s.log SET head = (SELECT head FROM %s.log)", to, from))
}
