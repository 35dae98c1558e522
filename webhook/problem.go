package webhook

import (
	"encoding/json"
	"net/http"
)

// The problem types, which are those of package rest, and that of a sender that is not expected.
const (
	malformed            = "urn:carillon:problem:malformed"
	unexpected           = "urn:carillon:problem:unexpected-origin"
	methodNotAllowed     = "urn:carillon:problem:method-not-allowed"
	tooLarge             = "urn:carillon:problem:too-large"
	unsupportedMediaType = "urn:carillon:problem:unsupported-media-type"
	invalid              = "urn:carillon:problem:invalid"
	internal             = "urn:carillon:problem:internal"
	unavailable          = "urn:carillon:problem:unavailable"
)

// problem is why a request was not accepted.
type problem struct {
	status int
	typ    string
	detail string
}

// answer answers a problem as application/problem+json.
func answer(w http.ResponseWriter, p problem) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{p.typ, titleOf(p.typ), p.status, p.detail})
	if err != nil { // texts are always written
		body = []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(body) // when that fails the sender is gone
}

// titleOf is a problem type in words.
func titleOf(typ string) string {
	switch typ {
	case malformed:
		return "The request is malformed"
	case unexpected:
		return "The sender is not expected here"
	case methodNotAllowed:
		return "The path does not take this method"
	case tooLarge:
		return "The request is too large"
	case unsupportedMediaType:
		return "The body is in a form that is not read here"
	case invalid:
		return "The request is invalid"
	case unavailable:
		return "The service cannot do this now"
	default:
		return "The service failed"
	}
}
