package messaging

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/internal/ids"
)

// Answer is what one service answered to a query that was asked of several.
type Answer[A any] struct {
	// From is the name the service serves the topic under.
	From string
	// Value is its answer, unless Err says that it has none.
	Value A
	// Err is why the service could not answer, a [*RemoteError]; the others' answers are as good without it.
	Err error
}

// Expected says whose answers are waited for.
type Expected struct {
	count    int
	services []string
}

// Expect waits for so many answers; for 0, for whatever comes until the deadline.
func Expect(answers int) Expected { return Expected{count: answers} }

// ExpectFrom waits for the answers of some services, by the names they serve the topic under.
func ExpectFrom(services ...string) Expected {
	return Expected{count: len(services), services: services}
}

// PartialError says that fewer services answered in time than were expected. The answers that came are there.
type PartialError struct {
	// Expected is how many answers were waited for, Answered how many of them came.
	Expected, Answered int
	// Missing names who has not answered, where names were expected.
	Missing []string
	// Cause is why the wait ended, an [carillon.ErrTimeout] as a rule.
	Cause error
}

func (e *PartialError) Error() string {
	who := ""
	if len(e.Missing) > 0 {
		who = ", missing " + strings.Join(e.Missing, ", ")
	}
	return fmt.Sprintf("%d of %d answered%s: %v", e.Answered, e.Expected, who, e.Cause)
}

// Unwrap gives the cause.
func (e *PartialError) Unwrap() error { return e.Cause }

// Gather asks all services that serve a topic one query, and returns their answers in the order they came: one for each service, however
// often it answers. It waits until those expected have answered, at most until the context's deadline, or as long as the [Timeout] of
// the client says; with fewer answers by then the error is a [*PartialError] beside those that came.
//
// The service has a [Remote] of the topic among its parts.
func Gather[A any](ctx context.Context, e *Engine, topic *Topic, query any, expected Expected, options ...cqrs.SendOption) ([]Answer[A], error) {
	g, err := e.gather(topic, query, reflect.TypeFor[A](), expected)
	if err != nil {
		return nil, err
	}
	replies, err := g.collect(ctx, query, options)
	answers := make([]Answer[A], 0, len(replies))
	for i := range replies {
		answer := Answer[A]{From: replies[i].Headers[headerResponder]}
		value, failed := g.answer(context.WithoutCancel(ctx), &replies[i])
		if answer.Err = failed; failed == nil {
			answer.Value, _ = value.(A)
		}
		answers = append(answers, answer)
	}
	return answers, err
}

// gathering is one query that is asked of several services.
type gathering struct {
	caller
	expected Expected
}

func (e *Engine) gather(topic *Topic, query any, answer reflect.Type, expected Expected) (*gathering, error) {
	client := e.clients[topic]
	what := fmt.Sprintf("gather %T", query)
	if client == nil {
		return nil, carillon.Invalidf(what, "the service asks through topic %q: add a Remote of it", topic.Name())
	}
	asks, ok := topic.byType[reflect.TypeOf(query)]
	switch {
	case !ok || asks.kind != carillon.KindQuery:
		return nil, carillon.Invalidf(what, "topic %q carries no such query", topic.Name())
	case asks.answer.response != answer || asks.answer.stream != nil:
		return nil, carillon.Invalidf(what, "it is answered with a %s, not with one %s", asks.answer.response, answer)
	case expected.count < 0:
		return nil, carillon.Invalidf(what, "it expects a number of answers, not %d", expected.count)
	}
	for i, name := range expected.services {
		if slices.Contains(expected.services[:i], name) {
			return nil, carillon.Invalidf(what, "a service answers once, and %q is expected twice", name)
		}
	}
	return &gathering{caller: caller{Client: client, engine: e, asks: asks}, expected: expected}, nil
}

// gatherRoom is how many replies may come faster than they are taken.
const gatherRoom = 1024

// collect asks, and returns the first reply of each service.
func (g *gathering) collect(ctx context.Context, query any, options []cqrs.SendOption) ([]carillon.Message, error) {
	ctx, done := g.bounded(ctx)
	defer done()
	m := &carillon.Message{ID: ids.New(), Kind: carillon.KindQuery, Type: g.asks.name, Time: now(), Value: query}
	for _, option := range options {
		option(m)
	}
	if m.CorrelationID == "" {
		m.CorrelationID = m.ID
	}
	deadline, _ := ctx.Deadline()
	request, err := newRequest(ctx, g.engine, g.topic, m, deadline)
	if err != nil {
		return nil, err
	}
	call, err := g.engine.address.call(ctx, int64(g.most), gatherRoom)
	if err != nil {
		return nil, err
	}
	defer call.close()
	sent, publishing := call.post(ctx, g.topic.Name(), request)
	if publishing != nil && !sent {
		return nil, publishing
	}
	seen := make(map[string]bool)
	var replies []carillon.Message
	for !g.complete(seen) {
		reply, err := call.next(ctx)
		if err != nil {
			return replies, g.partial(m, seen, err, publishing)
		}
		from := reply.Headers[headerResponder]
		if seen[from] {
			g.engine.counts.late.Add(1)
			continue
		}
		seen[from] = true
		replies = append(replies, reply)
	}
	return replies, nil
}

func (g *gathering) complete(seen map[string]bool) bool {
	return g.expected.count > 0 && len(seen) >= g.expected.count && len(g.missing(seen)) == 0
}

// missing names who was expected and has not answered.
func (g *gathering) missing(seen map[string]bool) (names []string) {
	for _, name := range g.expected.services {
		if !seen[name] {
			names = append(names, name)
		}
	}
	return names
}

// partial says what is missing at the end; nothing when nobody in particular was expected and it was the deadline.
func (g *gathering) partial(m *carillon.Message, seen map[string]bool, ended, publishing error) error {
	if g.expected.count == 0 && publishing == nil && errors.Is(ended, context.DeadlineExceeded) {
		return nil
	}
	missing := g.missing(seen)
	answered := len(seen)
	if len(g.expected.services) > 0 {
		answered = g.expected.count - len(missing)
	}
	return &PartialError{Expected: g.expected.count, Answered: answered, Missing: missing, Cause: g.unanswered(m, ended, publishing)}
}
