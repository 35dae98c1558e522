package cloudevents_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	sdk "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

const limit = 1 << 20

// exchange sends a request through a server that reads it with read, and answers 204 or what went wrong.
func exchange(t *testing.T, server *httptest.Server, request *http.Request) {
	t.Helper()
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("answered %s", response.Status)
	}
}

func newServer(t *testing.T, read func(*http.Request) error) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := read(r); err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestHTTPToSDK(t *testing.T) {
	t.Parallel()
	for _, mode := range []cloudevents.Mode{cloudevents.Binary, cloudevents.Structured, cloudevents.Batched} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			var got []event.Event
			server := newServer(t, func(r *http.Request) error {
				if sdk.IsHTTPBatch(r.Header) {
					events, err := sdk.NewEventsFromHTTPRequest(r)
					got = append(got, events...)
					return err
				}
				e, err := sdk.NewEventFromHTTPRequest(r)
				if err == nil {
					got = append(got, *e)
				}
				return err
			})
			sent := drawMessages()
			size, read := 1, asIs
			switch mode {
			case cloudevents.Binary:
				read = cloudevents.Unescape // which the SDK leaves to its user
			case cloudevents.Batched:
				size = 10
			default:
			}
			for i := 0; i < len(sent); i += size {
				request, err := cloudevents.NewRequest(t.Context(), http.MethodPost, server.URL, mode, sent[i:i+size]...)
				if err != nil {
					t.Fatal(err)
				}
				exchange(t, server, request)
			}
			same(t, factsOfMessages(sent), factsOfEvents(t, got, read))
		})
	}
}

func TestHTTPFromSDK(t *testing.T) {
	t.Parallel()
	for _, mode := range []cloudevents.Mode{cloudevents.Binary, cloudevents.Structured, cloudevents.Batched} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			var got []carillon.Message
			server := newServer(t, func(r *http.Request) error {
				messages, err := cloudevents.ReadRequest(r, limit)
				got = append(got, messages...)
				return err
			})
			alphabet, ctx := any8, t.Context()
			switch mode {
			case cloudevents.Binary:
				alphabet = plain + "ä€😀" // as it is: the SDK escapes nothing
			case cloudevents.Structured:
				ctx = binding.WithForceStructured(ctx)
			default:
			}
			sent := drawEvents(t, alphabet)
			if mode == cloudevents.Batched {
				request, err := sdk.NewHTTPRequestFromEvents(ctx, server.URL, sent)
				if err != nil {
					t.Fatal(err)
				}
				exchange(t, server, request)
			} else {
				for i := range sent {
					exchange(t, server, requestOf(ctx, t, server.URL, &sent[i]))
				}
			}
			same(t, factsOfEvents(t, sent, asIs), factsOfMessages(got))
		})
	}
}

func requestOf(ctx context.Context, t *testing.T, url string, e *event.Event) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err == nil {
		err = sdk.WriteRequest(ctx, binding.ToMessage(e), request)
	}
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// TestTheComparison is the control: what is changed on the way is seen.
func TestTheComparison(t *testing.T) {
	t.Parallel()
	sent := drawMessages()[:1]
	request, err := cloudevents.NewRequest(t.Context(), http.MethodPost, "http://localhost/", cloudevents.Binary, sent...)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Ce-Id", "another")
	e, err := sdk.NewEventFromHTTPRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	want, got := ofMessage(&sent[0]), ofEvent(t, e, cloudevents.Unescape)
	if want.Attributes["id"] == got.Attributes["id"] || want.Attributes["type"] != got.Attributes["type"] {
		t.Errorf("changed on the way: %v, sent %v", got, want)
	}
}
