package rest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
)

// problemOf says how an error is answered. What is not known to be meant for the sender stays inside.
func problemOf(err error) *problemError {
	p := translate(err)
	p.cause = err
	return p
}

func translate(err error) *problemError {
	if known, ok := errors.AsType[*problemError](err); ok {
		copied := *known
		return &copied
	}
	if rejected, ok := errors.AsType[*carillon.RejectedError](err); ok {
		return problemf(ProblemRejected, "%s", rejected.Reason)
	}
	if malformed, ok := errors.AsType[*codec.MalformedError](err); ok {
		return problemf(ProblemMalformed, "%s", malformed.Error())
	}
	switch {
	case errors.Is(err, carillon.ErrOutcomeUnknown):
		return problemf(ProblemOutcomeUnknown, "The command may have been carried out. "+
			"Sending it again with the same Idempotency-Key is safe; sent without one, look before you repeat it.")
	case errors.Is(err, carillon.ErrRejected):
		return problemf(ProblemRejected, "%s", said(err, carillon.ErrRejected))
	case errors.Is(err, carillon.ErrCommandReused):
		return problemf(ProblemKeyReused, "The key was used before for a command with other content. Use a fresh key for each command.")
	case errors.Is(err, carillon.ErrConflict):
		return problemf(ProblemConflict, "Nothing was changed. Look at what is there now and try again.")
	case errors.Is(err, carillon.ErrTooLarge):
		return problemf(ProblemTooLarge, "What the command comes to is over the service's limits.")
	case errors.Is(err, carillon.ErrInvalid):
		return problemf(ProblemInvalid, "%s", said(err, carillon.ErrInvalid))
	case errors.Is(err, carillon.ErrNotFound):
		return problemf(ProblemNotFound, "%s", said(err, carillon.ErrNotFound))
	case errors.Is(err, carillon.ErrDiskFull), errors.Is(err, carillon.ErrClosed), errors.Is(err, carillon.ErrUnavailable),
		errors.Is(err, carillon.ErrBusy), errors.Is(err, context.Canceled):
		return problemf(ProblemUnavailable, "Nothing was changed. Try again later.")
	case errors.Is(err, carillon.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return problemf(ProblemTimeout, "Try again later.")
	default:
		return problemf(ProblemInternal, "The cause is in the service's log.")
	}
}

// said is what an error says to the sender: the rule that was broken, or else all of it but the name of its kind.
func said(err, kind error) string {
	if invalid, ok := errors.AsType[*carillon.InvalidError](err); ok {
		return invalid.Error()
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var texts []string
		for _, part := range several.Unwrap() {
			if !errors.Is(part, kind) || part.Error() != kind.Error() {
				texts = append(texts, part.Error())
			}
		}
		if len(texts) > 0 {
			return strings.Join(texts, ": ")
		}
	}
	return err.Error()
}

// fail answers an error. What is the service's fault is logged under the id that the answer carries.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		id := rand.Text()
		p.Instance = "urn:carillon:failure:" + id
		level := slog.LevelError
		if p.Status != http.StatusInternalServerError || r.Context().Err() != nil {
			level = slog.LevelWarn
		}
		s.logger.LogAttrs(r.Context(), level, "request failed", slog.String("failure", id), slog.String("method", r.Method),
			slog.String("pattern", r.Pattern), slog.String("problem", p.Type), slog.Any("error", p.cause))
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	s.answerProblem(w, r, p.Problem)
}

func (s *site) answerProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"status":500}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	s.write(w, r, body)
}

// write sends the body. When that fails the client is gone, and there is nobody to tell.
func (s *site) write(w http.ResponseWriter, r *http.Request, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.logger.LogAttrs(r.Context(), slog.LevelDebug, "answer not taken", slog.Any("error", err))
	}
}
