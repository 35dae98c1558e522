package cloudevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"mime"
	"strings"

	"github.com/carillon-go/carillon"
)

// ContentType is the media type of the structured form.
const ContentType = "application/cloudevents+json"

// Marshal writes a message in structured form: one JSON object with the payload as "data", or as "data_base64" when it is no JSON.
func Marshal(m *carillon.Message) ([]byte, error) {
	object := make(map[string]any)
	for name, value := range Attributes(m) {
		object[name] = value
	}
	switch {
	case m.Payload == nil:
	case isJSON(contentTypeOf(m)):
		object["data"] = json.RawMessage(m.Payload)
	default:
		object["data_base64"] = m.Payload
	}
	data, err := json.Marshal(object)
	if err != nil {
		return nil, carillon.Invalidf(fmt.Sprintf("message %q", m.Type), "its payload is what its content type says: %v", err)
	}
	return data, nil
}

// Unmarshal reads a message from structured form. An error is a [carillon.ErrInvalid].
func Unmarshal(data []byte) (carillon.Message, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		return carillon.Message{}, carillon.Invalidf("CloudEvent", "its structured form is a JSON object")
	}
	payload, err := payloadOf(object)
	if err != nil {
		return carillon.Message{}, err
	}
	var failed error
	m, err := Message(attributesOf(object, &failed), payload)
	if failed != nil {
		return carillon.Message{}, failed
	}
	return m, err
}

// attributesOf yields the members of a structured form that are attributes. Numbers and booleans are attributes too.
func attributesOf(object map[string]json.RawMessage, failed *error) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, raw := range object {
			if name == "data" || name == "data_base64" || bytes.Equal(raw, []byte("null")) {
				continue
			}
			value := string(raw)
			switch raw[0] {
			case '"':
				*failed = json.Unmarshal(raw, &value)
			case '{', '[':
				*failed = carillon.Invalidf(fmt.Sprintf("attribute %q of a CloudEvent", name), "it is text, a number or a boolean")
			}
			if *failed != nil || !yield(name, value) {
				return
			}
		}
	}
}

func payloadOf(object map[string]json.RawMessage) ([]byte, error) {
	raw, encoded := object["data"], object["data_base64"]
	switch {
	case raw != nil && encoded != nil:
		return nil, carillon.Invalidf("CloudEvent", "it has data or data_base64, not both")
	case encoded != nil:
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return nil, carillon.Invalidf("CloudEvent", "data_base64 is text")
		}
		payload, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, carillon.Invalidf("CloudEvent", "data_base64 is base64: %v", err)
		}
		return payload, nil
	case raw == nil || isJSON(textOf(object[contentType])):
		return raw, nil
	default: // text that is no JSON comes as a JSON string
		if raw[0] != '"' {
			return raw, nil
		}
		var text string
		err := json.Unmarshal(raw, &text)
		return []byte(text), err
	}
}

func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// isJSON reports whether a content type, empty for the default, is JSON.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && (media == carillon.ContentTypeJSON || strings.HasSuffix(media, "+json"))
}
