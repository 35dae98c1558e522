package cloudevents

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/carillon-go/carillon"
)

// ContentTypeBatch is the media type of several messages in structured form.
const ContentTypeBatch = "application/cloudevents-batch+json"

// Mode is how messages stand in an HTTP request or response.
type Mode uint8

const (
	// Binary has the attributes as headers and the payload as the body, one message.
	Binary Mode = iota
	// Structured has one message in structured form as the body.
	Structured
	// Batched has any number of messages in structured form as the body, in a JSON array. It is for receivers that ask for it.
	Batched
)

// String gives the mode's name in the specification.
func (m Mode) String() string {
	switch m {
	case Binary:
		return "binary"
	case Structured:
		return "structured"
	case Batched:
		return "batched"
	default:
		return fmt.Sprintf("mode(%d)", uint8(m))
	}
}

// MediaTypeError says that a body is in a form that is not read here: an event format other than JSON, a charset other than UTF-8, or
// compressed.
type MediaTypeError struct {
	// Form is the content type or the content coding.
	Form string
}

func (e *MediaTypeError) Error() string {
	return fmt.Sprintf("a CloudEvent comes in binary mode, as %s or as %s, in UTF-8 and not compressed, and not as %q", ContentType, ContentTypeBatch, e.Form)
}

// Is makes it a [carillon.ErrUnsupported].
func (e *MediaTypeError) Is(target error) bool { return target == carillon.ErrUnsupported }

// NewRequest makes a request that carries messages: one, or in batched mode any number. Its body can be sent again. Messages are
// valid, see [carillon.Message.CheckPublished]; a payload that is not what its content type says is [carillon.ErrInvalid].
func NewRequest(ctx context.Context, method, url string, mode Mode, messages ...carillon.Message) (*http.Request, error) {
	header := make(http.Header)
	body, err := write(header, mode, messages)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	return request, nil
}

// WriteResponse answers messages: one, or in batched mode any number. When a message cannot be written, which is
// [carillon.ErrInvalid], nothing has been answered yet; any other error is the connection's.
func WriteResponse(w http.ResponseWriter, status int, mode Mode, messages ...carillon.Message) error {
	header := make(http.Header)
	body, err := write(header, mode, messages)
	if err != nil {
		return err
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// ReadRequest reads the messages of a request of any mode, from a body of at most limit bytes. An error is [carillon.ErrTooLarge] when
// the body has more, a [*MediaTypeError] when it has a form that is not read here, [carillon.ErrInvalid] when it carries no CloudEvent
// that keeps the specification, and any other when the body could not be read to its end.
func ReadRequest(r *http.Request, limit int) ([]carillon.Message, error) {
	return read(r.Header, r.Body, limit)
}

// ReadResponse reads the messages of a response of any mode, as [ReadRequest] does. Closing the body is left to the caller.
func ReadResponse(r *http.Response, limit int) ([]carillon.Message, error) {
	return read(r.Header, r.Body, limit)
}

// readBody reads a body of at most limit bytes, nil for an empty one.
func readBody(body io.Reader, limit int) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	content, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the body: %w", err)
	case len(content) > limit:
		return nil, fmt.Errorf("body of more than %d bytes: %w", limit, carillon.ErrTooLarge)
	case len(content) == 0:
		return nil, nil
	default:
		return content, nil
	}
}
