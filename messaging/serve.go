package messaging

import (
	"fmt"
	"reflect"

	"github.com/carillon-go/carillon"
)

// Server is the definition of what a service answers through a topic, see [Serve].
type Server struct {
	name     string
	topic    *Topic
	parallel int
	err      error
}

// ServerOption changes a default of [Serve].
type ServerOption func(*Server)

// Serve hands the commands and queries of a topic to the service's own bus, and publishes what they are answered with to whoever asked,
// see [Remote]. Servers of one name share the requests, whatever process they are in; those of different names each get all, see
// [Gather]. Everything the topic carries as a command or a query has a handler in the service.
//
// A request may be delivered twice. A command is carried out under its sender's id, so that a decider carries it out once; a handler
// that no decider stands behind sees to that by itself. A request whose deadline has passed is not carried out.
//
// A command that asks for no reply, because it was published and not sent, is handled as with [Send]: tried again when it fails,
// and parked with its cause in the end.
func Serve(name string, requests *Topic, options ...ServerOption) *Server {
	s := &Server{name: name, topic: requests, parallel: 64}
	for _, option := range options {
		option(s)
	}
	what := fmt.Sprintf("server %q", name)
	check := carillon.Topic{Name: fmt.Sprint(name, repliesIn, addressesMost)}
	switch {
	case requests == nil:
		s.err = carillon.Invalidf(what, "it has a topic")
	case check.Check() != nil:
		s.err = check.Check()
	case requests.err != nil:
		s.err = requests.err
	case len(requests.requests()) == 0:
		s.err = carillon.Invalidf(what, "topic %q carries no commands and no queries", requests.Name())
	case s.parallel <= 0:
		s.err = carillon.Invalidf(what, "it handles at least one request at a time")
	}
	return s
}

// Parallel is how many requests a process handles at a time; 64 by default.
func Parallel(requests int) ServerOption { return func(s *Server) { s.parallel = requests } }

// Name returns the server's name.
func (s *Server) Name() string { return s.name }

// Describe describes the server.
func (s *Server) Describe() carillon.Description {
	d := carillon.Description{Kind: "server", Name: s.name}
	if s.topic != nil {
		d.Detail = map[string]string{"topic": s.topic.Name()}
		for _, m := range s.topic.requests() {
			d.Accepts = append(d.Accepts, m.name)
		}
	}
	return d
}

// Serve adds a server.
func (e *Engine) Serve(server *Server) error {
	what := fmt.Sprintf("server %q", server.name)
	switch {
	case server.err != nil:
		return server.err
	case e.taken(server.name):
		return carillon.Invalidf(what, "a service has a consumer or a server of a name once")
	case e.bus == nil:
		return carillon.Invalidf(what, "there is no bus to hand its requests to")
	}
	for _, m := range server.topic.requests() {
		endpoint, err := e.bus.Contract().Of(m.payload)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		case e.remote[m.payload]:
			return carillon.Invalidf(what, "%s %q is handled by another service: a service serves what is its own", m.kind, m.name)
		case endpoint.Kind != m.kind:
			return carillon.Invalidf(what, "%q is a %s in the service, and a %s in topic %q", m.name, endpoint.Kind, m.kind, server.topic.Name())
		case m.answer != nil && endpoint.Response != m.answer.response:
			return carillon.Invalidf(what, "query %q is answered with a %s in the service, and with a %s in topic %q", m.name, endpoint.Response,
				m.answer.response, server.topic.Name())
		case m.answer != nil && m.answer.stream != nil:
			e.answerTo(server.name)
		}
	}
	e.servers = append(e.servers, server)
	return e.use(server.topic)
}

// asConsumer is the consumer that handles commands nobody waits for.
func (s *Server) asConsumer() *Consumer {
	c := Consume(s.name, s.topic)
	c.err = nil
	c.handlers = make(map[reflect.Type]handler)
	for _, m := range s.topic.requests() {
		if m.kind == carillon.KindCommand {
			c.handlers[m.payload] = handler{command: func(value any) any { return value }, decode: m.decode}
		}
	}
	return c
}
