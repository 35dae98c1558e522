package interop

import (
	"context"
	"errors"
	"net/url"

	"gocloud.dev/gcerrors"
	"gocloud.dev/pubsub/driver"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// cloudTopic is gocloud.dev's driver of a topic over a broker of Carillon.
type cloudTopic struct {
	broker carillon.Broker
	name   string
}

func (t *cloudTopic) SendBatch(ctx context.Context, messages []*driver.Message) error {
	all := make([]carillon.Message, len(messages))
	for i, m := range messages {
		if m.BeforeSend != nil {
			if err := m.BeforeSend(nothingElse); err != nil {
				return err
			}
		}
		all[i] = carillon.Message{
			ID: ids.New(), Kind: carillon.KindDocument, Type: "gocloud.message", ContentType: "application/octet-stream", Payload: m.Body,
		}
		for name, value := range m.Metadata {
			if all[i].Headers == nil {
				all[i].Headers = make(map[string]string)
			}
			if name == url.PathEscape(name) { // any text is a name there; here it is printable
				all[i].Headers[name] = value
			} else {
				all[i].Headers[escapedName+url.PathEscape(name)] = value
			}
		}
		if err := all[i].CheckPublished(carillon.MaxPayload); err != nil {
			return err
		}
	}
	if err := t.broker.Publish(ctx, t.name, all); err != nil {
		return err
	}
	for _, m := range messages {
		if m.AfterSend != nil {
			if err := m.AfterSend(nothingElse); err != nil {
				return err
			}
		}
	}
	return nil
}

// escapedName begins a header whose name is escaped.
const escapedName = "escaped:"

// nothingElse says that there is no other type behind a part.
func nothingElse(any) bool { return false }

func (*cloudTopic) IsRetryable(err error) bool             { return errors.Is(err, carillon.ErrUnavailable) }
func (*cloudTopic) As(any) bool                            { return false }
func (*cloudTopic) ErrorAs(error, any) bool                { return false }
func (*cloudTopic) ErrorCode(err error) gcerrors.ErrorCode { return cloudCode(err) }
func (*cloudTopic) Close() error                           { return nil }

// cloudCode tells an error of a broker by gocloud.dev's words.
func cloudCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, context.Canceled):
		return gcerrors.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return gcerrors.DeadlineExceeded
	case errors.Is(err, carillon.ErrNotFound):
		return gcerrors.NotFound
	case errors.Is(err, carillon.ErrInvalid), errors.Is(err, carillon.ErrTooLarge):
		return gcerrors.InvalidArgument
	case errors.Is(err, carillon.ErrTopicFull):
		return gcerrors.ResourceExhausted
	case errors.Is(err, carillon.ErrClosed), errors.Is(err, carillon.ErrUnroutable):
		return gcerrors.FailedPrecondition
	default:
		return gcerrors.Unknown
	}
}
