package sourcing_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/sourcing"
)

// The aggregate most tests use: a bank account that remembers its entries.
type (
	openAccount struct{ ID, Owner string }
	credit      struct {
		ID    string
		Pence int64
	}
	debit struct {
		ID    string
		Pence int64
	}

	opened   struct{ Owner string }
	credited struct{ Pence int64 }
	debited  struct{ Pence int64 }

	account struct {
		Open    bool
		Owner   string
		Pence   int64
		Entries []int64
	}
)

func (c openAccount) Key() string { return c.ID }
func (c credit) Key() string      { return c.ID }
func (c debit) Key() string       { return c.ID }

func (a account) Opened(e opened) account {
	a.Open, a.Owner = true, e.Owner
	return a
}

func (a account) Credited(e credited) account {
	a.Pence += e.Pence
	a.Entries = append(a.Entries, e.Pence)
	return a
}

func (a account) Debited(e debited) account {
	a.Pence -= e.Pence
	a.Entries = append(a.Entries, -e.Pence)
	return a
}

func (a account) DecideOpen(c openAccount) ([]carillon.Event, error) {
	if a.Open {
		return nil, carillon.Rejectf("account %s is open already", c.ID)
	}
	return carillon.Events(opened{Owner: c.Owner}), nil
}

func (a account) DecideCredit(c credit) ([]carillon.Event, error) {
	if !a.Open {
		return nil, carillon.Rejectf("account %s is not open", c.ID)
	}
	if c.Pence == 0 {
		return nil, nil
	}
	return carillon.Events(credited{Pence: c.Pence}), nil
}

func (a account) DecideDebit(c debit) ([]carillon.Event, error) {
	if a.Pence < c.Pence {
		return nil, carillon.Rejectf("%d pence are not enough", a.Pence)
	}
	return carillon.Events(debited{Pence: c.Pence}), nil
}

func accounts(more ...sourcing.Part[account]) *sourcing.Decider[account] {
	return sourcing.Aggregate("account", slices.Concat([]sourcing.Part[account]{
		sourcing.On("account.opened", account.Opened),
		sourcing.On("account.credited", account.Credited),
		sourcing.On("account.debited", account.Debited),
		sourcing.Decide("account.open", openAccount.Key, account.DecideOpen),
		sourcing.Decide("account.credit", credit.Key, account.DecideCredit),
		sourcing.Decide("account.debit", debit.Key, account.DecideDebit),
	}, more)...)
}

// port is a log in memory that counts what it is asked for and lets a test step in.
type port struct {
	carillon.Log
	appends, replayed atomic.Int64
	// refuse is how many appends are refused with a conflict before the next one passes.
	refuse atomic.Int64
	// unguarded drops the conditions of appends.
	unguarded bool
	// before is called ahead of every append, where it is set.
	before func()
}

func newPort() *port { return &port{Log: memory.Volatile().Log()} }

func (p *port) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	p.appends.Add(int64(len(batch)))
	if p.before != nil {
		p.before()
	}
	if p.refuse.Add(-1) >= 0 {
		refused := &carillon.ConflictError{Guard: carillon.GuardVersion, Stream: batch[0].Stream, Expected: 7, Actual: 8}
		return slices.Repeat([]carillon.Verdict{{Err: refused}}, len(batch)), nil
	}
	if p.unguarded {
		batch = slices.Clone(batch)
		for i := range batch {
			batch[i].Condition = nil
		}
	}
	return p.Log.Append(ctx, batch)
}

func (p *port) ReadStream(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	events, err := p.Log.ReadStream(ctx, stream, after, limit)
	p.replayed.Add(int64(len(events)))
	return events, err
}

// bind binds a decider to a port.
func bind[S any](t testing.TB, decider *sourcing.Decider[S], port carillon.Log, changes ...func(*sourcing.Runtime)) *sourcing.Bound[S] {
	t.Helper()
	runtime := sourcing.Runtime{Log: eventlog.New(port)}
	for _, change := range changes {
		change(&runtime)
	}
	bound, err := sourcing.Bind(decider, runtime)
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

func hot(states int) func(*sourcing.Runtime) {
	return func(r *sourcing.Runtime) { r.HotStates = states }
}

func saving(snapshots carillon.Snapshots) func(*sourcing.Runtime) {
	return func(r *sourcing.Runtime) { r.Snapshots = snapshots }
}

// command makes a command's message.
func command(value any, changes ...func(*carillon.Message)) *carillon.Message {
	message := &carillon.Message{Kind: carillon.KindCommand, ID: "command", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Value: value}
	for _, change := range changes {
		change(message)
	}
	return message
}

func header(m *carillon.Message, name, value string) {
	if m.Headers == nil {
		m.Headers = make(map[string]string)
	}
	m.Headers[name] = value
}

// once gives a command an id under which it is carried out once.
func once(id string) func(*carillon.Message) {
	return func(m *carillon.Message) {
		m.ID = id
		header(m, carillon.HeaderOnce, "true")
	}
}

// ifVersion gives a command the version it was made for.
func ifVersion(version int64) func(*carillon.Message) {
	return func(m *carillon.Message) { header(m, carillon.HeaderExpectedVersion, strconv.FormatInt(version, 10)) }
}

// do handles a command that has to succeed.
func do[S any](t testing.TB, bound *sourcing.Bound[S], value any, changes ...func(*carillon.Message)) carillon.Appended {
	t.Helper()
	appended, err := bound.Handle(t.Context(), command(value, changes...))
	if err != nil {
		t.Fatalf("%T: %v", value, err)
	}
	return appended
}

// behind appends to a stream without asking the decider, as another process would.
func behind(t testing.TB, log carillon.Log, stream, typ, payload string) {
	t.Helper()
	verdicts, err := log.Append(t.Context(), []carillon.Append{{
		Stream: stream, Expect: carillon.AnyVersion(),
		Events: []carillon.Message{{ID: "behind", Type: typ, Payload: []byte(payload), SchemaVersion: 1, ContentType: carillon.ContentTypeJSON}},
	}})
	if err != nil || verdicts[0].Err != nil {
		t.Fatal(err, verdicts)
	}
}

// head is how many events a log holds.
func head(t testing.TB, log carillon.Log) carillon.Position {
	t.Helper()
	at, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// said is an outcome as text, to compare and to print.
func said(appended carillon.Appended, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%+v", appended)
}
