package middleware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/carillon-go/carillon"
)

// StatusError is a response that says that the server failed: a status of 429, or of 500 and above except 501.
type StatusError struct {
	Status int
	// RetryAfter is how long the server asks to be left alone; 0 when it does not say.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
}

// Is makes the statuses that say that another time may do, 429, 502, 503 and 504, a [carillon.ErrUnavailable].
func (e *StatusError) Is(target error) bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return target == carillon.ErrUnavailable
	default:
		return false
	}
}

// CheckStatus returns a [*StatusError] for a response that says that the server failed, else nil.
func CheckStatus(response *http.Response) error {
	status := response.StatusCode
	if status != http.StatusTooManyRequests && status < http.StatusInternalServerError || status == http.StatusNotImplemented {
		return nil
	}
	failed := &StatusError{Status: status}
	header := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 {
		failed.RetryAfter = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		failed.RetryAfter = max(0, time.Until(at))
	}
	return failed
}

// Transport makes HTTP requests under policies, the first outermost; nil stands for [http.DefaultTransport]. Middleware sees a request as a
// message of the type "GET example.org" with the [*http.Request] as its value, and the [*http.Response] as its result.
//
// A failure is a request without response, or a [*StatusError]. The caller gets a response of any status, as without policies, except
// when a breaker has opened on it: that is [ErrOpen]. A server that could not be reached is [carillon.ErrUnavailable].
func Transport(base http.RoundTripper, policies ...carillon.Middleware) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{base: base, policies: policies}
}

type transport struct {
	base     http.RoundTripper
	policies []carillon.Middleware
}

// RoundTrip makes a request.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := false
	send := carillon.Chain(func(ctx context.Context, _ *carillon.Message) (any, error) {
		attempt := request.WithContext(ctx)
		if sent && request.GetBody != nil {
			body, err := request.GetBody()
			if err != nil {
				return nil, err
			}
			attempt.Body = body
		}
		sent = true
		return t.send(attempt)
	}, t.policies...)
	kind := carillon.KindCommand
	if request.Method == "" || request.Method == http.MethodGet || request.Method == http.MethodHead {
		kind = carillon.KindQuery
	}
	result, err := send(request.Context(), &carillon.Message{Kind: kind, Type: methodOf(request) + " " + request.URL.Host, Value: request})
	if !sent && request.Body != nil {
		err = errors.Join(err, request.Body.Close())
	}
	response, ok := result.(*http.Response)
	var status *StatusError
	switch {
	case ok && (err == nil || errors.As(err, &status) && !errors.Is(err, ErrOpen) && request.Context().Err() == nil):
		return response, nil
	case err == nil:
		err = fmt.Errorf("a request was answered with a %T: %w", result, carillon.ErrInvalid)
	}
	discard(result)
	return nil, err
}

// send makes one attempt. The result is nil or a response.
func (t *transport) send(request *http.Request) (any, error) {
	response, err := t.base.RoundTrip(request) //nolint:bodyclose // whoever gets the response closes it, else discard does
	if err != nil {
		var network net.Error
		away := errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if away && request.Context().Err() == nil {
			err = &unreachableError{err}
		}
		return nil, err
	}
	return response, CheckStatus(response)
}

// unreachableError is a server that could not be reached.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *unreachableError) Unwrap() error { return e.err }

// Is makes it a [carillon.ErrUnavailable].
func (e *unreachableError) Is(target error) bool { return target == carillon.ErrUnavailable }

func methodOf(request *http.Request) string {
	if request.Method == "" {
		return http.MethodGet
	}
	return request.Method
}

// isRepeatable reports whether a call may be made again: all but HTTP requests that would be carried out twice, or whose body is gone.
func isRepeatable(message *carillon.Message) bool {
	request, ok := message.Value.(*http.Request)
	if !ok {
		return true
	}
	if request.Body != nil && request.Body != http.NoBody && request.GetBody == nil {
		return false
	}
	switch methodOf(request) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	default:
		return request.Header.Get("Idempotency-Key") != ""
	}
}

// discardable is how much of a response nobody wants is read, so that its connection can be used again.
const discardable = 16 << 10

// discard closes a response that is replaced by another.
func discard(result any) {
	if response, ok := result.(*http.Response); ok && response != nil && response.Body != nil {
		_, _ = io.CopyN(io.Discard, response.Body, discardable)
		_ = response.Body.Close()
	}
}

// closingBody tells when a body is closed.
type closingBody struct {
	io.ReadCloser
	closed func()
}

// Close closes the body.
func (b *closingBody) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}
