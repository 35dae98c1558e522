package rest

import (
	"net/http"

	"github.com/carillon-go/carillon"
)

// observed answers a request under the eyes of the service's observer.
func (s *site) observed(w http.ResponseWriter, r *http.Request, at route, e endpoint) {
	parent, state := traceOf(r)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	ctx, observed := s.running.Observer.Begin(r.Context(), carillon.Activity{
		Kind: carillon.ActivityRequest, Name: at.template, Method: r.Method, Scheme: scheme, Path: r.URL.Path,
		Cause: carillon.Trace{Parent: parent, State: state},
	})
	answered := &statusWriter{ResponseWriter: w}
	defer func() {
		observed.Answered(answered.status)
		observed.End(nil)
	}()
	s.run(answered, r.WithContext(ctx), e)
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader sends the head of the answer.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
