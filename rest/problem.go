package rest

import (
	"fmt"
	"net/http"
)

// Problem is the body of every answer that is an error, as application/problem+json of RFC 9457.
type Problem struct {
	Type     string `json:"type" format:"uri" doc:"Which problem this is; stable, to be compared."`
	Title    string `json:"title" doc:"The type in words."`
	Status   int    `json:"status" doc:"The HTTP status."`
	Detail   string `json:"detail,omitempty" doc:"What happened this time, and what to do about it."`
	Instance string `json:"instance,omitempty" format:"uri" doc:"Names this occurrence; the service's log has more under it."`
	// Errors lists what is wrong with which field, where there is more than one sentence can say.
	Errors []FieldProblem `json:"errors,omitempty" doc:"What is wrong with which field."`
}

// FieldProblem is one thing wrong with a request.
type FieldProblem struct {
	Location string `json:"location" doc:"Where, such as body.lines[0].quantity or path.id."`
	Message  string `json:"message"`
}

// The problem types. The package documentation says when each is answered.
const (
	ProblemMalformed            = "urn:carillon:problem:malformed"
	ProblemParameter            = "urn:carillon:problem:parameter"
	ProblemCrossOrigin          = "urn:carillon:problem:cross-origin"
	ProblemUnknownRoute         = "urn:carillon:problem:unknown-route"
	ProblemMethodNotAllowed     = "urn:carillon:problem:method-not-allowed"
	ProblemNotFound             = "urn:carillon:problem:not-found"
	ProblemRejected             = "urn:carillon:problem:rejected"
	ProblemConflict             = "urn:carillon:problem:conflict"
	ProblemStale                = "urn:carillon:problem:stale"
	ProblemTooLarge             = "urn:carillon:problem:too-large"
	ProblemUnsupportedMediaType = "urn:carillon:problem:unsupported-media-type"
	ProblemInvalid              = "urn:carillon:problem:invalid"
	ProblemKeyReused            = "urn:carillon:problem:idempotency-key-reused"
	ProblemInternal             = "urn:carillon:problem:internal"
	ProblemUnavailable          = "urn:carillon:problem:unavailable"
	ProblemOutcomeUnknown       = "urn:carillon:problem:outcome-unknown"
	ProblemBehind               = "urn:carillon:problem:read-model-behind"
	ProblemTimeout              = "urn:carillon:problem:timeout"
)

// explain gives the status and the title of a problem type.
func explain(problem string) (status int, title string) {
	switch problem {
	case ProblemMalformed:
		return http.StatusBadRequest, "The request is malformed"
	case ProblemParameter:
		return http.StatusBadRequest, "A parameter is wrong"
	case ProblemCrossOrigin:
		return http.StatusForbidden, "The request comes from another site"
	case ProblemUnknownRoute:
		return http.StatusNotFound, "There is nothing at this path"
	case ProblemMethodNotAllowed:
		return http.StatusMethodNotAllowed, "The path does not take this method"
	case ProblemNotFound:
		return http.StatusNotFound, "What was asked for is not there"
	case ProblemRejected:
		return http.StatusConflict, "The command was rejected"
	case ProblemConflict:
		return http.StatusConflict, "Others changed the same thing at the same time"
	case ProblemStale:
		return http.StatusPreconditionFailed, "The version is stale"
	case ProblemTooLarge:
		return http.StatusRequestEntityTooLarge, "The request is too large"
	case ProblemUnsupportedMediaType:
		return http.StatusUnsupportedMediaType, "The body is not JSON"
	case ProblemInvalid:
		return http.StatusUnprocessableEntity, "The request is invalid"
	case ProblemKeyReused:
		return http.StatusUnprocessableEntity, "The idempotency key belongs to another request"
	case ProblemUnavailable:
		return http.StatusServiceUnavailable, "The service cannot do this now"
	case ProblemOutcomeUnknown:
		return http.StatusServiceUnavailable, "Nobody knows whether the command was carried out"
	case ProblemBehind:
		return http.StatusGatewayTimeout, "The read model has not come that far"
	case ProblemTimeout:
		return http.StatusGatewayTimeout, "It took too long"
	default:
		return http.StatusInternalServerError, "The service failed"
	}
}

// problemError is an error that knows how it is answered.
type problemError struct {
	Problem
	cause error // for the log alone
}

func problemf(problem, format string, args ...any) *problemError {
	status, title := explain(problem)
	return &problemError{Problem: Problem{Type: problem, Title: title, Status: status, Detail: fmt.Sprintf(format, args...)}}
}

func (e *problemError) Error() string { return e.Title + ": " + e.Detail }

func (e *problemError) Unwrap() error { return e.cause }
