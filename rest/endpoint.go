package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/carillon-go/carillon/cqrs"
)

// answer is what an endpoint answers when nothing went wrong.
type answer struct {
	status int
	header http.Header
	value  any
	empty  bool // there is no body
}

// endpoint answers one kind of request.
type endpoint func(r *http.Request) (answer, error)

// serve serves an endpoint and documents it.
func (s *site) serve(at route, operation *huma.Operation, e endpoint) error {
	if err := s.take(at.String()); err != nil {
		return err
	}
	operation.Method, operation.Path = at.method, at.template
	s.document(operation)
	matched := *operation
	matched.Path = at.path
	s.api.Adapter().Handle(&matched, func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		if s.running.Observer != nil {
			s.observed(w, r, at, e)
			return
		}
		s.run(w, r, e)
	})
	return nil
}

// run answers a request whole: nothing is sent before the answer or the problem is complete.
func (s *site) run(w http.ResponseWriter, r *http.Request, e endpoint) {
	a, body, err := safely(e, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	header.Set("Cache-Control", "no-cache")
	if !a.empty {
		header.Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	if !a.empty {
		s.write(w, r, body)
	}
}

// safely makes an answer and its body, and an error of a panic.
func safely(e endpoint, r *http.Request) (a answer, body []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &cqrs.PanicError{Value: cause, Stack: debug.Stack()}
		}
	}()
	if a, err = e(r); err == nil && !a.empty {
		body, err = encode(a.value)
	}
	return a, body, err
}

func encode(value any) ([]byte, error) {
	body, err := json.Marshal(withoutNulls(value))
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return append(body, '\n'), nil
}
