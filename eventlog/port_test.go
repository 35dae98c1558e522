package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
)

// port is a log in memory that counts calls and lets a test step in.
type port struct {
	carillon.Log
	appends, appended, reads, questions atomic.Int64
	// commit and read stand in for the calls where they are set.
	commit func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error)
	read   func(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error)
}

func newPort() *port { return &port{Log: memory.Volatile().Log()} }

func (p *port) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	if len(batch) == 0 { // a question, see carillon.Log
		p.questions.Add(1)
		return p.Log.Append(ctx, batch)
	}
	p.appends.Add(1)
	p.appended.Add(int64(len(batch)))
	if p.commit != nil {
		return p.commit(ctx, batch)
	}
	return p.Log.Append(ctx, batch)
}

func (p *port) Read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	p.reads.Add(1)
	if p.read != nil {
		return p.read(ctx, after, limit)
	}
	return p.Log.Read(ctx, query, after, limit)
}

// gate holds up whoever passes until the test lets it go. Channels make it work in a synctest bubble.
type gate struct{ arrived, released chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

// pass is for the one held up.
func (g *gate) pass() {
	g.arrived <- struct{}{}
	<-g.released
}

// reached waits until somebody is held up; release lets it go.
func (g *gate) reached() { <-g.arrived }
func (g *gate) release() { g.released <- struct{}{} }

// one is an append of one event to a stream of any version.
func one(stream, id string) carillon.Append {
	return carillon.Append{Stream: stream, Expect: carillon.AnyVersion(), Events: events(id)}
}

// events makes an event of each id.
func events(ids ...string) []carillon.Message {
	made := make([]carillon.Message, len(ids))
	for i, id := range ids {
		made[i] = carillon.Message{ID: id, Type: "noted", Payload: []byte(`{"id":` + strconv.Quote(id) + `}`)}
	}
	return made
}

// fill appends so many events, numbered from 1, through a port.
func fill(t testing.TB, log carillon.Log, count int) {
	t.Helper()
	for at := 0; at < count; {
		a := carillon.Append{Stream: "s", Expect: carillon.AnyVersion()}
		for range min(1000, count-at) {
			at++
			a.Events = append(a.Events, events(fmt.Sprint(at))...)
		}
		if _, err := log.Append(t.Context(), []carillon.Append{a}); err != nil {
			t.Fatal(err)
		}
	}
}

// idAt is the id of the event at a position, empty when there is none.
func idAt(t testing.TB, log carillon.Log, position carillon.Position) string {
	t.Helper()
	page, err := log.Read(context.WithoutCancel(t.Context()), carillon.AllEvents(), position-1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) == 0 {
		return ""
	}
	return page.Events[0].ID
}

// outcome is what an append came to.
type outcome struct {
	appended carillon.Appended
	err      error
}

// start appends on another goroutine.
func start(ctx context.Context, log *eventlog.Log, a carillon.Append) <-chan outcome {
	result := make(chan outcome, 1)
	go func() {
		appended, err := log.Append(ctx, a)
		result <- outcome{appended, err}
	}()
	return result
}

// pending reports whether there is no outcome yet.
func pending(result <-chan outcome) bool { return len(result) == 0 }

var errBroken = errors.New("broken")
