package cloudevents

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"strings"

	"github.com/carillon-go/carillon"
)

// The headers of binary mode.
const (
	headerPrefix      = "Ce-"
	contentTypeHeader = "Content-Type"
)

// write writes messages as headers and a body.
func write(header http.Header, mode Mode, messages []carillon.Message) ([]byte, error) {
	if mode != Batched && len(messages) != 1 {
		return nil, carillon.Invalidf(mode.String()+" mode", "it carries one message, not %d", len(messages))
	}
	switch mode {
	case Binary:
		for name, value := range Attributes(&messages[0]) {
			if name == contentType {
				header.Set(contentTypeHeader, value)
			} else {
				header.Set(headerPrefix+name, Escape(value))
			}
		}
		return messages[0].Payload, nil
	case Structured:
		header.Set(contentTypeHeader, ContentType)
		return Marshal(&messages[0])
	case Batched:
		header.Set(contentTypeHeader, ContentTypeBatch)
		return MarshalBatch(messages)
	default:
		return nil, carillon.Invalidf(mode.String(), "it is Binary, Structured or Batched")
	}
}

// read reads the messages of headers and a body.
func read(header http.Header, body io.Reader, limit int) ([]carillon.Message, error) {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &MediaTypeError{Form: coding}
	}
	mode, err := modeOf(header.Get(contentTypeHeader))
	if err != nil {
		return nil, err
	}
	if mode == Binary && header.Get(headerPrefix+specVersion) == "" {
		return nil, carillon.Invalidf("CloudEvent", "it has the header ce-specversion or the content type %s or %s", ContentType, ContentTypeBatch)
	}
	content, err := readBody(body, limit)
	if err != nil {
		return nil, err
	}
	if mode == Batched {
		return UnmarshalBatch(content)
	}
	var m carillon.Message
	if mode == Structured {
		m, err = Unmarshal(content)
	} else {
		var failed error
		m, err = Message(attributesIn(header, &failed), content)
		if failed != nil {
			err = failed
		}
	}
	if err != nil {
		return nil, err
	}
	return []carillon.Message{m}, nil
}

// modeOf tells the mode by the content type.
func modeOf(declared string) (Mode, error) {
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(declared)), "application/cloudevents") {
		return Binary, nil
	}
	media, parameters, err := mime.ParseMediaType(declared)
	charset := parameters["charset"]
	switch {
	case err != nil || charset != "" && !strings.EqualFold(charset, "utf-8"):
		return 0, &MediaTypeError{Form: declared}
	case media == ContentType:
		return Structured, nil
	case media == ContentTypeBatch:
		return Batched, nil
	default:
		return 0, &MediaTypeError{Form: declared}
	}
}

// attributesIn yields the attributes that stand in headers.
func attributesIn(header http.Header, failed *error) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, values := range header {
			attribute, value := "", ""
			switch prefixed, ok := strings.CutPrefix(http.CanonicalHeaderKey(name), headerPrefix); {
			case http.CanonicalHeaderKey(name) == contentTypeHeader:
				attribute, value = contentType, values[0]
			case !ok || prefixed == "" || strings.EqualFold(prefixed, contentType): // whose place is Content-Type
				continue
			case len(values) != 1:
				*failed = carillon.Invalidf(fmt.Sprintf("attribute %q of a CloudEvent", strings.ToLower(prefixed)), "it stands there once")
			default:
				attribute = strings.ToLower(prefixed)
				if value, *failed = HeaderValue(values[0]); *failed != nil {
					*failed = carillon.Invalidf(fmt.Sprintf("attribute %q of a CloudEvent", attribute), "%v", *failed)
				}
			}
			if *failed != nil || !yield(attribute, value) {
				return
			}
		}
	}
}

// MarshalBatch writes messages in structured form, in a JSON array.
func MarshalBatch(messages []carillon.Message) ([]byte, error) {
	all := make([]json.RawMessage, len(messages))
	for i := range messages {
		data, err := Marshal(&messages[i])
		if err != nil {
			return nil, err
		}
		all[i] = data
	}
	return json.Marshal(all)
}

// UnmarshalBatch reads messages from a JSON array of structured forms. An error is a [carillon.ErrInvalid].
func UnmarshalBatch(data []byte) ([]carillon.Message, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil || all == nil {
		return nil, carillon.Invalidf("batch of CloudEvents", "it is a JSON array")
	}
	messages := make([]carillon.Message, len(all))
	for i := range all {
		m, err := Unmarshal(all[i])
		if err != nil {
			return nil, fmt.Errorf("event %d of the batch: %w", i, err)
		}
		messages[i] = m
	}
	return messages, nil
}
