package webhook_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/rest"
	"github.com/carillon-go/carillon/webhook"
)

// reply is what a sender is told.
type reply struct {
	Status       int
	Origin, Rate string
	Problem      string
}

// asked asks a receiver whether an origin may send to it.
func asked(t *testing.T, url string, headers map[string]string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if !strings.Contains(response.Header.Get("Allow"), http.MethodPost) {
		t.Errorf("Allow is %q", response.Header.Get("Allow"))
	}
	got := reply{
		Status: response.StatusCode, Origin: response.Header.Get("WebHook-Allowed-Origin"), Rate: response.Header.Get("WebHook-Allowed-Rate"),
	}
	if response.Header.Get("Content-Type") != "application/problem+json" {
		return got
	}
	var problem rest.Problem
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || problem.Detail == "" || problem.Title == "" || problem.Status != got.Status {
		t.Errorf("problem %+v, error %v", problem, err)
	}
	got.Problem = problem.Type
	return got
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	const refused, malformed = "urn:carillon:problem:unexpected-origin", rest.ProblemMalformed
	some := webhook.AllowOrigins("eventemitter.example.com", "other.example")
	tests := []struct {
		name    string
		options []webhook.ReceiverOption
		headers map[string]string
		want    reply
	}{
		{"nobody is expected", nil, map[string]string{"WebHook-Request-Origin": "eventemitter.example.com"}, reply{403, "", "", refused}},
		{
			"an expected sender",
			[]webhook.ReceiverOption{some},
			map[string]string{"WebHook-Request-Origin": "EventEmitter.example.com", "WebHook-Request-Rate": "120"},
			reply{200, "EventEmitter.example.com", "*", ""},
		},
		{"another one", []webhook.ReceiverOption{some}, map[string]string{"WebHook-Request-Origin": "other.example"}, reply{200, "other.example", "*", ""}},
		{"a stranger", []webhook.ReceiverOption{some}, map[string]string{"WebHook-Request-Origin": "example.com"}, reply{403, "", "", refused}},
		{"everybody", []webhook.ReceiverOption{webhook.AllowOrigins("*")}, map[string]string{"WebHook-Request-Origin": "x.example"}, reply{200, "*", "*", ""}},
		{"a star that is no option", []webhook.ReceiverOption{some}, map[string]string{"WebHook-Request-Origin": "*"}, reply{403, "", "", refused}},
		{"no sender", []webhook.ReceiverOption{some}, map[string]string{"WebHook-Request-Rate": "120"}, reply{204, "", "", ""}},
		{
			"a rate that is none",
			[]webhook.ReceiverOption{some},
			map[string]string{"WebHook-Request-Origin": "other.example", "WebHook-Request-Rate": "0"},
			reply{400, "", "", malformed},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(webhook.Receive(newTopic(), test.options...))
			defer server.Close()
			if diff := cmp.Diff(test.want, asked(t, server.URL, test.headers)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHandshakeBehindRest mounts a receiver in a service, for both methods.
func TestHandshakeBehindRest(t *testing.T) {
	t.Parallel()
	topic := newTopic()
	in := webhook.Receive(topic, webhook.AllowOrigins("sender.example"))
	server := rest.Serve("127.0.0.1:0", rest.Mount("POST /events", in), rest.Mount("OPTIONS /events", in))
	service := app.New(memory.Volatile(), topic, in, server)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	address, err := server.Addr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := asked(t, "http://"+address+"/events", map[string]string{"WebHook-Request-Origin": "sender.example"})
	if diff := cmp.Diff(reply{200, "sender.example", "*", ""}, got); diff != "" {
		t.Error(diff)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
