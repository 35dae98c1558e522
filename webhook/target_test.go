package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/webhook"
)

// sender is an engine that sends what is published to a target.
func sender(t *testing.T, target *webhook.Target) (engine *messaging.Engine, topic *messaging.Topic, store carillon.Store) {
	t.Helper()
	held := memory.Volatile()
	topic, engine = newTopic(), messaging.NewEngine(held)
	partner := messaging.Consume("partner", topic, webhook.Send[placed](target),
		messaging.Retry(consume.Retry{Attempts: 3, First: time.Millisecond, Last: 5 * time.Millisecond}))
	if err := errors.Join(engine.Publishes(topic), engine.Add(partner)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return engine, topic, held
}

func newTarget(t *testing.T, url string, options ...webhook.TargetOption) *webhook.Target {
	t.Helper()
	target, err := webhook.NewTarget(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// TestFromServiceToService sends messages from one service to another through a connection that fails after some requests were taken, and
// refuses others: each comes once, in order.
func TestFromServiceToService(t *testing.T) {
	t.Parallel()
	to := serve(t, memory.Volatile())
	var mu sync.Mutex
	requests, repeated, seen := 0, 0, map[string]bool{}
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests++
		fate := requests % 4
		id := r.Header.Get("Idempotency-Key")
		if seen[id] {
			repeated++
		}
		mu.Unlock()
		if fate == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		to.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
		mu.Lock()
		seen[id] = true
		mu.Unlock()
		if fate == 2 {
			panic(http.ErrAbortHandler) // taken, and the sender does not know
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer between.Close()
	engine, topic, _ := sender(t, newTarget(t, between.URL, webhook.Structured(), webhook.Through(&http.Client{Timeout: 10 * time.Second})))
	const messages = 40
	var want []int
	for number := range messages {
		want = append(want, number)
		if err := engine.Publish(t.Context(), topic, placed{"order 1", number}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, numbers(t, to.await(t, messages))); diff != "" {
		t.Error(diff)
	}
	mu.Lock()
	defer mu.Unlock()
	if repeated == 0 {
		t.Error("nothing was sent again: the connection did not fail as it should")
	}
}

// TestWhatATargetAnswers looks at what becomes of a message by the answer.
func TestWhatATargetAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status                 int
		unavailable, permanent bool
	}{
		{200, false, false},
		{202, false, false},
		{302, false, true},
		{400, false, true},
		{408, false, false},
		{410, false, true},
		{422, false, true},
		{429, true, false},
		{500, false, false},
		{501, false, true},
		{503, true, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if messages, err := cloudevents.ReadRequest(r, 1000); err != nil || len(messages) != 1 || r.Header.Get("Authorization") != "Bearer x" {
					t.Errorf("%d messages, error %v, header %v", len(messages), err, r.Header)
				}
				w.Header().Set("Location", "/elsewhere")
				http.Error(w, "because", test.status)
			}))
			defer server.Close()
			target := newTarget(t, server.URL, webhook.WithHeader("Authorization", "Bearer x"), webhook.Through(&http.Client{}))
			m := event("1", "/x", 1)
			err := target.Deliver(t.Context(), &m)
			var permanent *consume.PermanentError
			if errors.As(err, &permanent) != test.permanent || errors.Is(err, carillon.ErrUnavailable) != test.unavailable {
				t.Fatalf("error %v", err)
			}
			if (err == nil) != (test.status < 300) {
				t.Fatalf("error %v", err)
			}
			if refused, ok := errors.AsType[*webhook.AnswerError](err); ok && (refused.Status != test.status || !strings.HasPrefix(refused.Detail, "because")) {
				t.Errorf("refused with %+v", refused)
			}
		})
	}
}

// TestATargetThatIsAway has nobody listen: the message waits, and no error tells the URL's secrets.
func TestATargetThatIsAway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	m := event("1", "/x", 1)
	err := newTarget(t, server.URL+"/?token=secret", webhook.Through(&http.Client{})).Deliver(t.Context(), &m)
	if !errors.Is(err, carillon.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

// TestRetryAfter leaves a target alone for as long as it asks.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	target := newTarget(t, server.URL, webhook.Through(&http.Client{}))
	m := event("1", "/x", 1)
	for range 3 {
		if err := target.Deliver(t.Context(), &m); !errors.Is(err, carillon.ErrUnavailable) {
			t.Fatalf("error %v", err)
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests were made, want one", n)
	}
}

// TestAMessageNobodyWants is parked with what the target said, and those behind it.
func TestAMessageNobodyWants(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "unknown order", http.StatusUnprocessableEntity)
	}))
	defer server.Close()
	engine, topic, store := sender(t, newTarget(t, server.URL))
	for number := range 2 {
		if err := engine.Publish(t.Context(), topic, placed{"order 1", number}); err != nil {
			t.Fatal(err)
		}
	}
	letters := awaitLetters(t, store, 2)
	if !strings.Contains(letters[0].Cause, "422") || !strings.Contains(letters[0].Cause, "unknown order") || letters[1].Attempts != 0 {
		t.Errorf("letters %+v", letters)
	}
}

func awaitLetters(t *testing.T, store carillon.Store, want int) []carillon.DeadLetter {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for {
		letters, err := store.(carillon.DeadLetterStore).DeadLetters().Letters(ctx, "partner", "order 1", 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(letters) == want {
			return letters
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d letters", len(letters))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func TestTargetURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "example.org", "ftp://example.org", "http://", "http://x:secret@[::1", "/events"} {
		if _, err := webhook.NewTarget(url); !errors.Is(err, carillon.ErrInvalid) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", url, err)
		}
	}
}
