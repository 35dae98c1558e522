package messaging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// Client is the definition of how a service reaches another one that serves a topic, see [Remote].
type Client struct {
	name    string
	topic   *Topic
	timeout time.Duration
	most    int
	err     error
}

// ClientOption changes a default of [Remote].
type ClientOption func(*Client)

// Remote has the commands and queries that a topic carries handled by the service that serves it: they are sent and asked through the
// service's own bus, as if their handlers were here. name is the name of the service that asks; its processes share it, and on stores of
// their own each has one of its own: replies go to topics that begin with it. Where several services run as one, the first one's serves.
//
// A caller waits until its context's deadline, or as long as [Timeout] says; the deadline travels, and a request that is met later is
// not carried out. A command is carried out once per id, also when it is sent again with cqrs.WithID, and is then answered with
// the original result; one whose answer did not come in time fails with a [*carillon.OutcomeUnknownError], a query with
// [carillon.ErrTimeout]. What the other service says no to comes as a [*RemoteError], which wraps the error a caller there would have.
// Clocks of the two services should agree to a fraction of the deadline.
func Remote(name string, requests *Topic, options ...ClientOption) *Client {
	c := &Client{name: name, topic: requests, timeout: 10 * time.Second, most: 1024}
	for _, option := range options {
		option(c)
	}
	what := fmt.Sprintf("remote %q", name)
	check := carillon.Topic{Name: fmt.Sprint(name, repliesIn, addressesMost)}
	switch {
	case requests == nil:
		c.err = carillon.Invalidf(what, "it has a topic")
	case check.Check() != nil:
		c.err = check.Check()
	case requests.err != nil:
		c.err = requests.err
	case len(requests.requests()) == 0:
		c.err = carillon.Invalidf(what, "topic %q carries no commands and no queries", requests.Name())
	case c.timeout <= 0 || c.most <= 0:
		c.err = carillon.Invalidf(what, "it waits for some time, and for at least one reply")
	}
	return c
}

// Timeout is how long a caller waits whose context has no deadline; 10 s by default. Between the parts of a stream anybody waits no
// longer than that.
func Timeout(d time.Duration) ClientOption { return func(c *Client) { c.timeout = d } }

// MaxWaiting is how many calls of the process wait for replies at most; further ones fail with [carillon.ErrBusy]. 1024 by default.
func MaxWaiting(calls int) ClientOption { return func(c *Client) { c.most = calls } }

// Name returns the name of the service that asks.
func (c *Client) Name() string { return c.name }

// Describe describes the client.
func (c *Client) Describe() carillon.Description {
	d := carillon.Description{Kind: "remote", Name: c.name}
	if c.topic != nil {
		d.Detail = map[string]string{"topic": c.topic.Name(), "timeout": c.timeout.String()}
		for _, m := range c.topic.requests() {
			d.Emits = append(d.Emits, m.name)
		}
	}
	return d
}

// requests lists the commands and queries a topic carries, in order of name.
func (t *Topic) requests() (all []messageType) {
	for _, name := range t.names() {
		if m := t.byName[name]; m.kind == carillon.KindCommand || m.kind == carillon.KindQuery {
			all = append(all, m)
		}
	}
	return all
}

// Remote adds a client, and returns the endpoints that its requests go through, for the service's bus.
func (e *Engine) Remote(client *Client) ([]carillon.Endpoint, error) {
	if client.err != nil {
		return nil, client.err
	}
	if err := e.use(client.topic); err != nil {
		return nil, err
	}
	e.answerTo(client.name)
	if e.clients == nil {
		e.clients = make(map[*Topic]*Client)
	}
	e.clients[client.topic] = client
	var endpoints []carillon.Endpoint
	for _, m := range client.topic.requests() {
		e.remote[m.payload] = true
		endpoint := carillon.Endpoint{Kind: m.kind, Type: m.name, Version: 1, Request: m.payload}
		caller := &caller{Client: client, engine: e, asks: m}
		if endpoint.Handler = caller.ask; m.answer != nil {
			endpoint.Response = m.answer.response
			if m.answer.stream != nil {
				endpoint.Handler = caller.stream
			}
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}

// answerTo gives the service an address under a name, unless it has one.
func (e *Engine) answerTo(name string) {
	if e.address == nil {
		e.address = newAddress(e, name)
	}
}

// caller asks one type of requests.
type caller struct {
	*Client
	engine *Engine
	asks   messageType
}

// bounded gives a context without a deadline the client's.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

// ask publishes a request and waits for the reply.
func (c *caller) ask(ctx context.Context, m *carillon.Message) (any, error) {
	ctx, done := c.bounded(ctx)
	defer done()
	deadline, _ := ctx.Deadline()
	request, err := newRequest(ctx, c.engine, c.topic, m, deadline)
	if err != nil {
		return nil, err
	}
	call, err := c.engine.address.call(ctx, int64(c.most), 1)
	if err != nil {
		return nil, err
	}
	defer call.close()
	sent, err := call.post(ctx, c.topic.Name(), request)
	if err != nil && !sent {
		return nil, err
	}
	reply, waited := call.next(ctx)
	if waited != nil {
		return nil, c.unanswered(m, waited, err)
	}
	return c.answer(ctx, &reply)
}

// unanswered says what is known of a request that nobody answered.
func (c *caller) unanswered(m *carillon.Message, ended, publishing error) error {
	cause := ended
	if errors.Is(ended, context.DeadlineExceeded) {
		cause = fmt.Errorf("%s %q: no answer through topic %q in time: %w", m.Kind, m.Type, c.topic.Name(), errors.Join(carillon.ErrTimeout, ended))
	}
	if publishing != nil {
		cause = fmt.Errorf("%w; the broker has not confirmed the request: %w", cause, publishing)
	}
	if m.Kind == carillon.KindCommand {
		return &carillon.OutcomeUnknownError{CommandID: m.ID, Cause: cause}
	}
	return cause
}

// answer reads a reply.
func (c *caller) answer(ctx context.Context, reply *carillon.Message) (any, error) {
	if err := errorOf(reply); err != nil {
		return nil, err
	}
	if c.asks.kind == carillon.KindCommand {
		var appended carillon.Appended
		if err := json.Unmarshal(reply.Payload, &appended); err != nil {
			return nil, &carillon.OutcomeUnknownError{CommandID: reply.Headers[headerID], Cause: fmt.Errorf("the answer cannot be read: %w", err)}
		}
		return appended, nil
	}
	whole, err := c.topic.redeem(ctx, reply)
	if err != nil {
		return nil, err
	}
	answer, err := c.asks.answer.decode(c.engine.codec, whole.Payload)
	if err != nil {
		return nil, fmt.Errorf("the answer to %q is no %s: %w", c.asks.name, c.asks.answer.response, err)
	}
	return answer, nil
}
