package rest

import (
	"net/http"
	"reflect"
	"time"

	"github.com/carillon-go/carillon"
)

// Part is a piece of what a server serves: an endpoint, a mounted handler or a setting. It is a description; mistakes in it come
// to light when the service runs.
type Part struct {
	kind, name string
	add        func(*site) error
}

// Title names the service in its API description. Default: "Service".
func Title(title string) Part {
	return setting("title", func(s *site) { s.api.OpenAPI().Info.Title = title })
}

// WaitLimit bounds how long a query waits for its read model when the request carries a position. Default: 5 seconds.
func WaitLimit(limit time.Duration) Part {
	return setting("wait limit", func(s *site) { s.waitLimit = limit })
}

// Mount serves a handler of your own, such as a page, under a pattern of [http.ServeMux]: "GET /{$}" is the index page alone,
// "GET /" everything that nothing else matches. Its plain-text 404 and 405 answers become problems; for the rest it answers as
// it likes, under a content security policy that allows the service's own files unless it sets another.
func Mount(pattern string, handler http.Handler) Part {
	return Part{kind: "handler", name: pattern, add: func(s *site) error {
		return s.handle(pattern, s.mounted(handler))
	}}
}

func setting(name string, apply func(*site)) Part {
	return Part{kind: "setting", name: name, add: func(s *site) error {
		apply(s)
		return nil
	}}
}

// Option says more about one endpoint.
type Option func(*options)

type options struct {
	summary  string
	location string
	complete func(command any, request string) any
	of       reflect.Type // what complete completes
}

func collect(list []Option) options {
	var o options
	for _, option := range list {
		option(&o)
	}
	return o
}

// Summary describes an endpoint in one line of the API description. Default: its name in the contract.
func Summary(text string) Option { return func(o *options) { o.summary = text } }

// Location answers the address of what a command changed in a Location header: a path such as "/orders/{id}" whose parameters are
// fields of the command.
func Location(path string) Option { return func(o *options) { o.location = path } }

// Complete fills in what a command's sender may leave out. request is the id of the command: the Idempotency-Key, so that the
// same request completes to the same command, or else a fresh one.
func Complete[C any](complete func(command C, request string) C) Option {
	return func(o *options) {
		o.of = reflect.TypeFor[C]()
		o.complete = func(command any, request string) any { return complete(command.(C), request) }
	}
}

// describe describes a part.
func (p Part) describe() carillon.Description {
	return carillon.Description{Kind: p.kind, Name: p.name}
}
