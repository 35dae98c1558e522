package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/messaging"
)

const (
	// defaultLimit is the largest body by default, in bytes: a message of the largest payload in any mode, or a batch of smaller ones.
	defaultLimit = 2 * carillon.MaxPayload
	// defaultPatience is how long a request waits at most until its messages are durable.
	defaultPatience = 10 * time.Second
)

// Receiver is a handler of HTTP requests that publishes what they carry to a topic. It is also a part of the service, which it belongs
// to from the moment that runs; before that it answers 503.
type Receiver struct {
	topic    *messaging.Topic
	limit    int
	patience time.Duration
	origins  []string // that are expected
	engine   atomic.Pointer[messaging.Engine]
	logger   *slog.Logger
}

// ReceiverOption changes a default of [Receive].
type ReceiverOption func(*Receiver)

// BodyLimit is the largest body a request may have, in bytes; 2 MiB by default.
func BodyLimit(bytes int) ReceiverOption { return func(r *Receiver) { r.limit = bytes } }

// Patience is how long a request waits until its messages are durable, before it is answered 503; 10 s by default.
func Patience(d time.Duration) ReceiverOption { return func(r *Receiver) { r.patience = d } }

// LogTo sets where failures are logged; nowhere by default.
func LogTo(logger *slog.Logger) ReceiverOption { return func(r *Receiver) { r.logger = logger } }

// Receive makes a receiver of CloudEvents in binary, structured and batched mode, for a topic that is a part of the service too. It
// takes the types of messages that the topic carries, by POST. By OPTIONS it takes part in the handshake of the CloudEvents specification of
// webhooks, see [AllowOrigins].
//
// A request is answered with 202 when all its messages are durable. Otherwise nothing was published, and the answer is a problem of
// RFC 9457: 400 when it carries no CloudEvent, 413 when it is too large, 415 when it has a form that is not read here, 422 when the topic
// does not carry such a message, and 503 when it may work another time.
func Receive(topic *messaging.Topic, options ...ReceiverOption) *Receiver {
	r := &Receiver{topic: topic, limit: defaultLimit, patience: defaultPatience, logger: slog.New(slog.DiscardHandler)}
	for _, option := range options {
		option(r)
	}
	return r
}

// Describe describes the receiver.
func (r *Receiver) Describe() carillon.Description {
	return carillon.Description{Kind: "webhook", Name: r.topic.Name(), Accepts: r.topic.Describe().Accepts, Detail: map[string]string{"topic": r.topic.Name()}}
}

// Serve binds the receiver to a running service, and returns when the context ends.
func (r *Receiver) Serve(ctx context.Context, running *app.Running) error {
	r.Bind(running.Messages)
	<-ctx.Done()
	return nil
}

// Bind makes the receiver publish through an engine, where there is no app to do it.
func (r *Receiver) Bind(engine *messaging.Engine) { r.engine.Store(engine) }

// ServeHTTP publishes the messages of a POST, and answers an OPTIONS of a sender that asks whether it may send.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	switch request.Method {
	case http.MethodPost:
	case http.MethodOptions:
		r.greet(w, request)
		return
	default:
		w.Header().Set("Allow", methods)
		answer(w, problem{http.StatusMethodNotAllowed, methodNotAllowed, fmt.Sprintf("Messages are sent by POST, not %s.", request.Method)})
		return
	}
	messages, err := cloudevents.ReadRequest(request, r.limit)
	if err != nil {
		answer(w, unread(err))
		return
	}
	engine := r.engine.Load()
	if engine == nil {
		answer(w, problem{http.StatusServiceUnavailable, unavailable, "The service is starting. Send the request again."})
		return
	}
	ctx, stop := context.WithTimeout(request.Context(), r.patience)
	defer stop()
	if _, err := engine.Accept(ctx, r.topic, messages); err != nil {
		p := unpublished(err)
		if p.status >= http.StatusInternalServerError {
			r.logger.LogAttrs(ctx, slog.LevelWarn, "messages not published", slog.String("topic", r.topic.Name()), slog.Any("error", err))
		}
		answer(w, p)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// unread is the problem of a request that carries no messages that can be read.
func unread(err error) problem {
	var form *cloudevents.MediaTypeError
	switch {
	case errors.As(err, &form):
		return problem{http.StatusUnsupportedMediaType, unsupportedMediaType, form.Error() + "."}
	case errors.Is(err, carillon.ErrTooLarge):
		return problem{http.StatusRequestEntityTooLarge, tooLarge, err.Error() + "."}
	case errors.Is(err, carillon.ErrInvalid):
		return problem{http.StatusBadRequest, malformed, err.Error() + "."}
	default:
		return problem{http.StatusBadRequest, malformed, "The body ends early or comes too slowly."}
	}
}

// unpublished is the problem of messages that were read and not published.
func unpublished(err error) problem {
	switch {
	case errors.Is(err, carillon.ErrUnknownType), errors.Is(err, carillon.ErrInvalid):
		return problem{http.StatusUnprocessableEntity, invalid, err.Error() + "."}
	case errors.Is(err, carillon.ErrTooLarge):
		return problem{http.StatusRequestEntityTooLarge, tooLarge, err.Error() + "."}
	}
	for _, passing := range []error{
		carillon.ErrTopicFull, carillon.ErrUnavailable, carillon.ErrClosed, carillon.ErrDiskFull, carillon.ErrTimeout, carillon.ErrOutcomeUnknown,
		context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, passing) {
			return problem{http.StatusServiceUnavailable, unavailable, "The messages were not taken, or nobody knows. Send them again under their ids."}
		}
	}
	return problem{http.StatusInternalServerError, internal, "The cause is in the service's log."}
}
