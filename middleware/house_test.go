package middleware_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon"
)

var errAway = errors.New("nobody there")

// downstream is a handler that counts its calls and fails as it is told.
type downstream struct {
	calls atomic.Int64
	err   atomic.Pointer[error]
}

func (d *downstream) fail(err error) { d.err.Store(&err) }

func (d *downstream) mend() { d.err.Store(nil) }

func (d *downstream) handle(context.Context, *carillon.Message) (any, error) {
	d.calls.Add(1)
	if err := d.err.Load(); err != nil {
		return nil, *err
	}
	return "done", nil
}

// call calls a handler in the context of a test.
func call(t *testing.T, handler carillon.Handler) error {
	t.Helper()
	_, err := handler(t.Context(), &carillon.Message{})
	return err
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// body is the body of a response, which knows whether it was closed.
type body struct {
	io.Reader
	closed atomic.Bool
}

func (b *body) Close() error {
	b.closed.Store(true)
	return nil
}

// fill fills a response, and returns its body.
func fill(response *http.Response, status int, text string) *body {
	b := &body{Reader: strings.NewReader(text)}
	response.StatusCode, response.Header, response.Body = status, make(http.Header), b
	return b
}
