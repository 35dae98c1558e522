//go:build unix

package crashes_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/processes"
)

// appendForever appends to a few accounts side by side. What a predecessor that died left open is sent again: half of the
// accounts carry command ids, the others the version their stream must have.
func appendForever(ctx context.Context, j job) error {
	inner, err := j.open(ctx)
	if err != nil {
		return err
	}
	defer inner.Close()
	store := newFrailStore(inner, j)
	log := eventlog.New(store.Log())
	last, err := processes.ReadLedger(j.Ledger)
	if err != nil {
		return err
	}
	acknowledged, err := processes.OpenLedger(j.Ledger)
	if err != nil {
		return err
	}
	processes.Say("running")
	ended := make(chan error, j.Writers)
	for w := range j.Writers {
		account := fmt.Sprintf("%s.%d", j.Name, w)
		a := appender{log: log, ledger: acknowledged, fuse: store.fuse, account: account, commands: w%2 == 0, n: last[account]}
		go func() { ended <- a.run(ctx) }()
	}
	for range j.Writers {
		err = errors.Join(err, <-ended)
	}
	return err
}

// appender appends to one account.
type appender struct {
	log      *eventlog.Log
	ledger   *processes.Ledger
	fuse     *processes.Fuse
	account  string
	commands bool
	n        int64 // acknowledged
	version  int64 // of the stream, without commands
}

// parts is how many events the nth append has.
func parts(n int64) int { return int(n%3) + 1 }

func (a *appender) run(ctx context.Context) error {
	if !a.commands {
		if err := a.readBack(ctx); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		next := deposit(a.account, a.n+1, parts(a.n+1))
		if a.commands {
			next.Command = &carillon.CommandGuard{ID: fmt.Sprintf("%s#%d", a.account, a.n+1)}
		} else {
			next.Expect = carillon.Exactly(a.version)
		}
		appended, err := a.append(ctx, next)
		if err != nil {
			return fmt.Errorf("append %d to %s: %w", a.n+1, a.account, err)
		}
		a.n, a.version = a.n+1, appended.Version
		a.fuse.At("before ledger")
		if err := a.ledger.Add(a.account, a.n); err != nil {
			return err
		}
		a.fuse.At("after ledger")
	}
	return nil
}

// append appends until the outcome is known.
func (a *appender) append(ctx context.Context, next carillon.Append) (carillon.Appended, error) {
	events := next.Events
	for {
		next.Events = append([]carillon.Message(nil), events...)
		appended, err := a.log.Append(context.WithoutCancel(ctx), next)
		for errors.Is(err, carillon.ErrOutcomeUnknown) {
			resolved, failure := a.log.Resolve(ctx, err)
			switch {
			case failure == nil:
				return resolved, nil
			case errors.Is(failure, carillon.ErrNotFound):
				err = failure
			case !processes.Rest(ctx, 20*time.Millisecond):
				return resolved, failure
			}
		}
		switch {
		case err == nil, errors.Is(err, carillon.ErrConflict), errors.Is(err, carillon.ErrCommandReused), errors.Is(err, carillon.ErrInvalid):
			return appended, err
		case !processes.Rest(ctx, 20*time.Millisecond): // the server is away
			return appended, err
		}
	}
}

// readBack finds out how far the account has come: the last append may have been carried out and not acknowledged.
func (a *appender) readBack(ctx context.Context) error {
	for {
		events, err := a.log.ReadStream(ctx, "account-"+a.account, a.version, 2000)
		if err != nil {
			if !processes.Rest(ctx, 20*time.Millisecond) {
				return err
			}
			continue
		}
		if len(events) == 0 {
			return nil
		}
		for i := range events {
			var e deposited
			if err := codec.JSON().Decode(events[i].Payload, &e); err != nil {
				return err
			}
			if e.N == a.n+1 {
				if err := a.ledger.Add(a.account, e.N); err != nil {
					return err
				}
				a.n = e.N
			}
			a.version = events[i].Version
		}
	}
}
