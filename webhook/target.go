package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/middleware"
)

const (
	// defaultTimeout bounds one request by default.
	defaultTimeout = 10 * time.Second
	// explained is how much of an answer is kept that says why, in bytes, and discarded how much is read beyond that, so that the
	// connection can be used again.
	explained = 512
	discarded = 16 << 10
)

// AnswerError says that a target does not want a message: it answered with a status that another try would not change.
type AnswerError struct {
	Status int
	// Detail is the beginning of what it said.
	Detail string
}

func (e *AnswerError) Error() string {
	text := fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Target is where messages are sent. It is safe for concurrent use.
type Target struct {
	address string
	host    string
	mode    cloudevents.Mode
	header  http.Header
	client  *http.Client
	pause   atomic.Int64 // until when the target wants to be left alone, in Unix nanoseconds
}

// TargetOption changes a default of [NewTarget].
type TargetOption func(*Target)

// Structured sends messages in structured mode in place of binary.
func Structured() TargetOption {
	return func(t *Target) { t.mode = cloudevents.Structured }
}

// WithHeader adds a header to every request, such as the one that authenticates.
func WithHeader(name, value string) TargetOption {
	return func(t *Target) { t.header.Set(name, value) }
}

// Through sends through a client, with policies of [middleware.Transport] as it needs. By default a request has ten seconds, and is
// tried three times before the message's key waits.
func Through(client *http.Client) TargetOption {
	return func(t *Target) { t.client = client }
}

// NewTarget makes a target of an http or https URL.
func NewTarget(address string, options ...TargetOption) (*Target, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return nil, carillon.Invalidf("target", "it is a URL such as https://example.org/events") // the URL may hold a secret
	}
	t := &Target{
		address: address, host: parsed.Host, header: make(http.Header),
		client: &http.Client{Transport: middleware.Transport(nil, middleware.Retry(), middleware.Timeout(defaultTimeout))},
	}
	for _, option := range options {
		option(t)
	}
	client := *t.client
	client.Transport = middleware.Transport(client.Transport) // which tells who cannot be reached
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.client = &client
	return t, nil
}

// Send sends messages of a type to a target. A target that cannot be reached, or asks for patience with 429, 502, 503 or 504, makes the
// message's key wait, for as long as it takes; one that does not want a message, with another status of 300 to 499, has it parked; after
// any other failure the message is tried again as the consumer's other messages are.
func Send[M any](target *Target) messaging.ConsumerPart {
	return messaging.Call(func(ctx context.Context, message *carillon.Message, _ M) error { return target.Deliver(ctx, message) })
}

// Deliver sends a message and returns nil when the target has it. The request carries the message's id as Idempotency-Key too.
// Redirections are not followed.
func (t *Target) Deliver(ctx context.Context, message *carillon.Message) error {
	if wait := time.Until(time.Unix(0, t.pause.Load())); wait > 0 {
		return fmt.Errorf("%s asks for patience, for %v more: %w", t.host, wait.Round(time.Second), carillon.ErrUnavailable)
	}
	request, err := cloudevents.NewRequest(ctx, http.MethodPost, t.address, t.mode, *message)
	if err != nil {
		return consume.Permanent(err)
	}
	for name, values := range t.header {
		request.Header[name] = values
	}
	request.Header.Set("Idempotency-Key", cloudevents.Escape(message.ID))
	response, err := t.client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, which may hold a secret
		}
		return fmt.Errorf("send to %s: %w", t.host, err)
	}
	defer response.Body.Close()
	if err := t.judge(response); err != nil {
		return fmt.Errorf("send to %s: %w", t.host, err)
	}
	return nil
}

// judge reads an answer.
func (t *Target) judge(response *http.Response) error {
	beginning, _ := io.ReadAll(io.LimitReader(response.Body, explained))
	_, _ = io.CopyN(io.Discard, response.Body, discarded)
	if 200 <= response.StatusCode && response.StatusCode < 300 {
		return nil
	}
	if err := middleware.CheckStatus(response); err != nil {
		var failed *middleware.StatusError
		if errors.As(err, &failed) && failed.RetryAfter > 0 {
			t.pause.Store(time.Now().Add(failed.RetryAfter).UnixNano())
		}
		return err
	}
	refused := &AnswerError{Status: response.StatusCode, Detail: string(beginning)}
	if response.StatusCode == http.StatusRequestTimeout || response.StatusCode == http.StatusTooEarly {
		return refused
	}
	return consume.Permanent(refused)
}
