package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/middleware"
)

// TestTransportRetriesWhatMayBeRepeated sends requests to a server that fails always: each is sent as often as is safe, with its body,
// and the last response comes back, the others closed.
func TestTransportRetriesWhatMayBeRepeated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, key string
		body              io.Reader
		status, want      int
		retryAfter        string
	}{
		{name: "get", method: http.MethodGet, status: 503, want: 3},
		{name: "put with a body", method: http.MethodPut, body: strings.NewReader("x"), status: 500, want: 3},
		{name: "post", method: http.MethodPost, body: strings.NewReader("x"), status: 503, want: 1},
		{name: "post with a key", method: http.MethodPost, body: strings.NewReader("x"), key: "1", status: 503, want: 3},
		{name: "a body that is gone", method: http.MethodPut, body: io.MultiReader(strings.NewReader("x")), status: 503, want: 1},
		{name: "not found", method: http.MethodGet, status: 404, want: 1},
		{name: "501", method: http.MethodGet, status: 501, want: 1},
		{name: "too many", method: http.MethodGet, status: 429, want: 3},
		{name: "later", method: http.MethodGet, status: 429, retryAfter: "2", want: 3},
		{name: "much later", method: http.MethodGet, status: 429, retryAfter: "3", want: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var bodies []*body
				base := roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Body != nil {
						if sent, err := io.ReadAll(r.Body); err != nil || string(sent) != "x" {
							t.Errorf("sent %q, error %v", sent, err)
						}
					}
					response := new(http.Response)
					bodies = append(bodies, fill(response, test.status, "no"))
					response.Header.Set("Retry-After", test.retryAfter)
					return response, nil
				})
				request, err := http.NewRequestWithContext(t.Context(), test.method, "http://payments/", test.body)
				if err != nil {
					t.Fatal(err)
				}
				if test.key != "" {
					request.Header.Set("Idempotency-Key", test.key)
				}
				response, err := middleware.Transport(base, middleware.Retry()).RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				if text, err := io.ReadAll(response.Body); response.StatusCode != test.status || string(text) != "no" || err != nil {
					t.Errorf("response %d %q, error %v", response.StatusCode, text, err)
				}
				if len(bodies) != test.want {
					t.Fatalf("%d requests, want %d", len(bodies), test.want)
				}
				for i, b := range bodies {
					if b.closed.Load() != (i < len(bodies)-1) {
						t.Errorf("body %d of %d closed: %v", i, len(bodies), b.closed.Load())
					}
				}
			})
		})
	}
}

// TestOneBreakerForHTTPAndCommands opens a breaker by requests and finds it open for a command and for a call.
func TestOneBreakerForHTTPAndCommands(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer server.Close()
	b := middleware.NewBreaker("payments")
	client := &http.Client{Transport: middleware.Transport(nil, b.Middleware)}
	get := func() (int, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			return 0, err
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	for range 4 {
		if status, err := get(); status != 500 || err != nil {
			t.Fatalf("status %d, error %v", status, err)
		}
	}
	for _, name := range []string{"the request that opens it", "the next"} {
		if _, err := get(); !errors.Is(err, middleware.ErrOpen) || !errors.Is(err, carillon.ErrUnavailable) {
			t.Errorf("%s: error %v, want ErrOpen", name, err)
		}
	}
	var d downstream
	if err := call(t, b.Middleware(d.handle)); !errors.Is(err, middleware.ErrOpen) {
		t.Errorf("a command: error %v, want ErrOpen", err)
	}
	if d.calls.Load() != 0 {
		t.Error("the command was carried out")
	}
}

// TestTransportOverTheWire reads a response within a timeout that ends before the body does, and calls a server that is gone.
func TestTransportOverTheWire(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("x"), 1<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(long) }))
	client := &http.Client{Transport: middleware.Transport(http.DefaultTransport, middleware.Timeout(time.Minute))}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || !bytes.Equal(got, long) {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
	server.Close()
	response, err = client.Do(request)
	if err == nil {
		err = response.Body.Close()
	}
	if !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable from a server that is gone", err)
	}
}

// TestTransportReplacesResponses answers a failed request by a fallback, and a slow one with a timeout; the bodies are closed.
func TestTransportReplacesResponses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		response := new(http.Response)
		failed := fill(response, 503, "no")
		base := roundTrip(func(*http.Request) (*http.Response, error) { return response, nil })
		fallback := middleware.Fallback(func(_ context.Context, m *carillon.Message, _ error) (any, error) {
			instead := new(http.Response)
			fill(instead, 200, m.Type)
			return instead, nil
		})
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://payments/charges", nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := middleware.Transport(base, fallback).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(got.Body)
		if diff := cmp.Diff("GET payments", string(text)); diff != "" || err != nil || got.Body.Close() != nil || !failed.closed.Load() {
			t.Errorf("%s error %v, the first closed: %v", diff, err, failed.closed.Load())
		}

		late := new(http.Response)
		unread := fill(late, 200, "late")
		slowly := roundTrip(func(*http.Request) (*http.Response, error) {
			<-time.After(time.Minute)
			return late, nil
		})
		request.Body = &body{Reader: strings.NewReader("")}
		got, err = middleware.Transport(slowly, middleware.Timeout(time.Second)).RoundTrip(request)
		if err == nil {
			err = got.Body.Close()
		}
		if !errors.Is(err, carillon.ErrTimeout) || !unread.closed.Load() {
			t.Errorf("error %v, want ErrTimeout; closed: %v", err, unread.closed.Load())
		}
	})
}

// TestARefusedRequestIsClosed refuses a request before it is sent: nobody else would close its body.
func TestARefusedRequestIsClosed(t *testing.T) {
	t.Parallel()
	sent := &body{Reader: strings.NewReader("x")}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://payments/", sent)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(carillon.Handler) carillon.Handler {
		return func(context.Context, *carillon.Message) (any, error) { return nil, middleware.ErrLimited }
	}
	response, err := middleware.Transport(nil, refuse).RoundTrip(request)
	if err == nil {
		err = response.Body.Close()
	}
	if !errors.Is(err, middleware.ErrLimited) || !sent.closed.Load() {
		t.Errorf("error %v, closed: %v", err, sent.closed.Load())
	}
}
