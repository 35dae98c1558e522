package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/rest"
	"github.com/carillon-go/carillon/webhook"
)

// placed is what the topic of the tests carries.
type placed struct {
	Order  string `json:"order"`
	Number int    `json:"number"`
}

func (p placed) Key() string { return p.Order }

func newTopic() *messaging.Topic {
	return messaging.NewTopic("orders", messaging.Event[placed]("order.placed"), messaging.Partitions(1))
}

// service is an engine that receives, and what its consumer was given.
type service struct {
	*httptest.Server
	engine *messaging.Engine
	topic  *messaging.Topic

	mu  sync.Mutex
	got []carillon.Message
}

// serve runs a service on a store, with options of the receiver or a broker, until the test ends.
func serve(t *testing.T, store carillon.Store, options ...any) *service {
	t.Helper()
	s := &service{topic: newTopic()}
	var engine []messaging.EngineOption
	var receiving []webhook.ReceiverOption
	for _, option := range options {
		switch option := option.(type) {
		case carillon.BrokerOpener:
			engine = append(engine, messaging.Over(option))
		case webhook.ReceiverOption:
			receiving = append(receiving, option)
		}
	}
	s.engine = messaging.NewEngine(store, engine...)
	consumer := messaging.Consume("shipping", s.topic, messaging.Call(func(_ context.Context, m *carillon.Message, _ placed) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, *m)
		return nil
	}))
	if err := errors.Join(s.engine.Publishes(s.topic), s.engine.Add(consumer)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.engine.Run(ctx) }()
	receiver := webhook.Receive(s.topic, receiving...)
	receiver.Bind(s.engine)
	s.Server = httptest.NewServer(receiver)
	t.Cleanup(func() {
		s.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := s.engine.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// await returns what the consumer was given once it is so much.
func (s *service) await(t *testing.T, messages int) []carillon.Message {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		got := slices.Clone(s.got)
		s.mu.Unlock()
		if len(got) >= messages {
			return got
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%d messages came, want %d", len(got), messages)
		}
	}
}

// event is a message of the topic.
func event(id, source string, number int) carillon.Message {
	return carillon.Message{
		ID: id, Type: "order.placed", Key: "order 1", Time: time.Date(2026, 11, 21, 9, 30, 0, 123456000, time.UTC),
		Headers: map[string]string{"source": source}, Payload: fmt.Appendf(nil, `{"order":"order 1","number":%d}`, number),
	}
}

// post sends messages and returns the status.
func post(t *testing.T, url string, mode cloudevents.Mode, messages ...carillon.Message) int {
	t.Helper()
	request, err := cloudevents.NewRequest(t.Context(), http.MethodPost, url, mode, messages...)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func numbers(t *testing.T, messages []carillon.Message) (all []int) {
	t.Helper()
	for i := range messages {
		var p placed
		if err := json.Unmarshal(messages[i].Payload, &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Number)
	}
	return all
}

// TestReceiving sends events in every mode, some of them again, and some of another source under the same ids.
func TestReceiving(t *testing.T) {
	t.Parallel()
	s := serve(t, memory.Volatile())
	for i, send := range []struct {
		mode     cloudevents.Mode
		messages []carillon.Message
	}{
		{cloudevents.Binary, []carillon.Message{event("1", "/a", 1)}},
		{cloudevents.Structured, []carillon.Message{event("2", "/a", 2)}},
		{cloudevents.Binary, []carillon.Message{event("1", "/a", 1)}}, // again
		{cloudevents.Batched, []carillon.Message{event("3", "/a", 3), event("2", "/a", 2), event("3", "/a", 3), event("4", "/a", 4)}},
		{cloudevents.Binary, []carillon.Message{event("1", "/b", 5)}}, // another source's
		{cloudevents.Batched, nil},
		{cloudevents.Structured, []carillon.Message{event("01980a3e-0000-7000-8000-000000000001", "/a", 6)}},
	} {
		if status := post(t, s.URL, send.mode, send.messages...); status != http.StatusAccepted {
			t.Fatalf("request %d was answered %d", i, status)
		}
	}
	got := s.await(t, 6)
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6}, numbers(t, got)); diff != "" {
		t.Fatal(diff)
	}
	first, other, last := got[0], got[4], got[5]
	if first.ID == other.ID || first.ID == "1" || first.Headers[messaging.HeaderGivenID] != "1" || first.Headers["source"] != "/a" {
		t.Errorf("an id of two sources became %q and %q, headers %v", first.ID, other.ID, first.Headers)
	}
	if want := event("", "", 0).Time; first.Key != "order 1" || !first.Time.Equal(want) || first.CorrelationID != first.ID {
		t.Errorf("it was published as %+v", first)
	}
	if last.ID != "01980a3e-0000-7000-8000-000000000001" || last.Headers[messaging.HeaderGivenID] != "" {
		t.Errorf("a UUID became %q", last.ID)
	}
}

// TestReceivingWithoutAnInbox is the control: published as any message, what comes again is published again.
func TestReceivingWithoutAnInbox(t *testing.T) {
	t.Parallel()
	s := serve(t, memory.Volatile())
	for range 2 {
		if err := s.engine.Publish(t.Context(), s.topic, placed{"order 1", 1}, messaging.WithID("1")); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.await(t, 2); len(got) != 2 {
		t.Errorf("%d messages", len(got))
	}
}

// failing is a store whose transactions fail.
type failing struct {
	carillon.Store
	err error
}

func (f failing) ReadModels() carillon.ReadModels { return failingModels{f.Store.ReadModels(), f.err} }

func (f failing) Broker() carillon.Broker { return f.Store.(carillon.BrokerStore).Broker() }

type failingModels struct {
	carillon.ReadModels
	err error
}

func (f failingModels) Update(context.Context, carillon.ModelRef, carillon.Durability, func(carillon.ReadModelTx) error) error {
	return f.err
}

// slow is a store whose transactions wait.
type slow struct {
	carillon.Store
	began, release chan struct{}
}

func (s slow) ReadModels() carillon.ReadModels { return slowModels{s.Store.ReadModels(), s} }

func (s slow) Broker() carillon.Broker { return s.Store.(carillon.BrokerStore).Broker() }

type slowModels struct {
	carillon.ReadModels
	slow
}

func (s slowModels) Update(ctx context.Context, ref carillon.ModelRef, d carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	if strings.HasPrefix(ref.Name, "carillon.accept/") {
		s.began <- struct{}{}
		<-s.release
	}
	return s.ReadModels.Update(ctx, ref, d, fn)
}

// TestTheAnswerWaits has nobody told that a message was taken before it is durable.
func TestTheAnswerWaits(t *testing.T) {
	t.Parallel()
	store := slow{memory.Volatile(), make(chan struct{}), make(chan struct{})}
	s := serve(t, store)
	answered := make(chan int, 1)
	go func() { answered <- post(t, s.URL, cloudevents.Binary, event("1", "/a", 1)) }()
	<-store.began
	select {
	case status := <-answered:
		t.Errorf("answered %d before the commit", status)
	case <-time.After(50 * time.Millisecond):
	}
	close(store.release)
	if status := <-answered; status != http.StatusAccepted {
		t.Errorf("answered %d", status)
	}
	s.await(t, 1)
}

// bare is a store without topics.
type bare struct{ carillon.Store }

// TestReceivingWithoutTopicsInTheStore publishes to the broker: what comes again is published again.
func TestReceivingWithoutTopicsInTheStore(t *testing.T) {
	t.Parallel()
	s := serve(t, bare{memory.Volatile()}, memory.Volatile())
	for range 2 {
		if status := post(t, s.URL, cloudevents.Binary, event("1", "/a", 1)); status != http.StatusAccepted {
			t.Fatalf("answered %d", status)
		}
	}
	if got := s.await(t, 2); got[0].ID != got[1].ID {
		t.Errorf("one event has the ids %q and %q", got[0].ID, got[1].ID)
	}
}

// TestProblems sends what is not taken.
func TestProblems(t *testing.T) {
	t.Parallel()
	sound := serve(t, memory.Volatile(), webhook.BodyLimit(1000))
	full := serve(t, failing{memory.Volatile(), carillon.ErrDiskFull})
	broken := serve(t, failing{memory.Volatile(), errors.New("no such column")})
	unbound := httptest.NewServer(webhook.Receive(newTopic()))
	defer unbound.Close()
	valid := []string{"ce-specversion: 1.0", "ce-id: 1", "ce-source: /x", "ce-type: order.placed", "content-type: application/json"}
	body := `{"order":"1","number":1}`
	tests := []struct {
		name, method, url string
		headers           []string
		body              string
		status            int
		problem           string
	}{
		{"valid", "POST", sound.URL, valid, body, 202, ""},
		{"another method", "GET", sound.URL, valid, "", 405, rest.ProblemMethodNotAllowed},
		{"no event", "POST", sound.URL, nil, body, 400, rest.ProblemMalformed},
		{"no id", "POST", sound.URL, slices.Concat(valid[:1], valid[2:]), body, 400, rest.ProblemMalformed},
		{"another form", "POST", sound.URL, []string{"content-type: application/cloudevents+avro"}, "x", 415, rest.ProblemUnsupportedMediaType},
		{"too large", "POST", sound.URL, valid, strings.Repeat(" ", 1000) + body, 413, rest.ProblemTooLarge},
		{"another type", "POST", sound.URL, slices.Concat(valid[:3], []string{"ce-type: order.paid"}), body, 422, rest.ProblemInvalid},
		{"another kind", "POST", sound.URL, slices.Concat(valid, []string{"ce-kind: command"}), body, 422, rest.ProblemInvalid},
		{"another payload", "POST", sound.URL, valid, `{"number":"one"}`, 422, rest.ProblemInvalid},
		{"another content type", "POST", sound.URL, slices.Concat(valid[:4], []string{"content-type: text/plain"}), body, 422, rest.ProblemInvalid},
		{"a disk that is full", "POST", full.URL, valid, body, 503, rest.ProblemUnavailable},
		{"a service that is broken", "POST", broken.URL, valid, body, 500, rest.ProblemInternal},
		{"a service that starts", "POST", unbound.URL, valid, body, 503, rest.ProblemUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, test.url, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range test.headers {
				name, value, _ := strings.Cut(line, ": ")
				request.Header.Set(name, value)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.status {
				t.Fatalf("status %d, want %d", response.StatusCode, test.status)
			}
			if (response.Header.Get("Retry-After") != "") != (test.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After is %q", response.Header.Get("Retry-After"))
			}
			if test.problem == "" {
				return
			}
			var problem rest.Problem
			if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s, error %v", response.Header.Get("Content-Type"), err)
			}
			if problem.Type != test.problem || problem.Status != test.status || problem.Title == "" || problem.Detail == "" {
				t.Errorf("problem %+v", problem)
			}
		})
	}
	if got := sound.await(t, 1); len(got) != 1 {
		t.Errorf("%d messages were published, want the valid one", len(got))
	}
}

// TestAReceiverIsAPart runs a receiver in a service, behind its REST endpoints.
func TestAReceiverIsAPart(t *testing.T) {
	t.Parallel()
	topic := newTopic()
	in := webhook.Receive(topic)
	came := make(chan placed, 1)
	server := rest.Serve("127.0.0.1:0", rest.Mount("POST /events", in))
	running := app.New(memory.Volatile(), topic, in, server, messaging.Consume("shipping", topic,
		messaging.Call(func(_ context.Context, _ *carillon.Message, p placed) error {
			came <- p
			return nil
		})))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- running.Run(ctx) }()
	address, err := server.Addr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for {
		status := post(t, "http://"+address+"/events", cloudevents.Binary, event("1", "/x", 7))
		if status == http.StatusAccepted {
			break
		}
		if status != http.StatusServiceUnavailable {
			t.Fatalf("status %d", status)
		}
	}
	if got := <-came; got.Number != 7 {
		t.Errorf("%+v came", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
