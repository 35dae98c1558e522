package rest

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
)

// site is everything one handler serves.
type site struct {
	running   *app.Running
	contract  *cqrs.Contract
	logger    *slog.Logger
	mux       *http.ServeMux
	api       huma.API
	schemas   schemas
	waitLimit time.Duration
	taken     []string // patterns
}

// Handler makes the handler of a running service, to serve it in ways of your own and in tests; [Serve] uses it. The error names
// the part that does not fit the service.
func Handler(running *app.Running, parts ...Part) (http.Handler, error) {
	s, err := newSite(running, parts)
	if err != nil {
		return nil, err
	}
	return s.guarded(), nil
}

func newSite(running *app.Running, parts []Part) (*site, error) {
	s := &site{
		running: running, contract: running.Bus.Contract(), logger: loggerOf(running),
		mux: http.NewServeMux(), schemas: newSchemas(), waitLimit: 5 * time.Second,
	}
	s.api = humago.New(s.mux, huma.Config{OpenAPI: newDocument(s.schemas)})
	for _, part := range parts {
		if err := s.add(part); err != nil {
			return nil, fmt.Errorf("rest: %w", err)
		}
	}
	if err := s.serveDocument(); err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	return s, nil
}

// add adds a part. Struct tags that huma cannot read make it panic; here they are errors.
func (s *site) add(part Part) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = carillon.Invalidf(fmt.Sprintf("%s %q", part.kind, part.name), "%v", cause)
		}
	}()
	if part.add == nil {
		return carillon.Invalidf("part", "it is made by Command, Query, Get, Mount or a setting")
	}
	return part.add(s)
}

// handle serves a handler under a pattern of http.ServeMux.
func (s *site) handle(pattern string, handler http.Handler) error {
	if err := s.take(pattern); err != nil {
		return err
	}
	s.mux.Handle(pattern, handler)
	return nil
}

// take refuses a pattern that is served already.
func (s *site) take(pattern string) error {
	if slices.Contains(s.taken, pattern) {
		return carillon.Invalidf(fmt.Sprintf("pattern %q", pattern), "it is served twice; /docs and /openapi.json are the service's own")
	}
	s.taken = append(s.taken, pattern)
	return nil
}

// guarded is the whole site behind what holds for every request.
func (s *site) guarded() http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, problemf(ProblemCrossOrigin, "A page of another site may not send commands here."))
	}))
	routed := protection.Handler(http.HandlerFunc(s.route))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		routed.ServeHTTP(w, r)
	})
}

// route finds the endpoint, and answers problems where there is none.
func (s *site) route(w http.ResponseWriter, r *http.Request) {
	handler, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	handler.ServeHTTP(&corrected{ResponseWriter: w, site: s, request: r}, r)
}

// mounted lets a handler of the program's own answer.
func (s *site) mounted(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		handler.ServeHTTP(&corrected{ResponseWriter: w, site: s, request: r}, r)
	})
}

// corrected turns the plain-text 404 and 405 answers of net/http into problems.
type corrected struct {
	http.ResponseWriter
	site     *site
	request  *http.Request
	replaced bool
}

// WriteHeader answers the problem in place of a plain-text error.
func (c *corrected) WriteHeader(status int) {
	missing := status == http.StatusNotFound || status == http.StatusMethodNotAllowed
	if c.replaced || !missing || c.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		c.ResponseWriter.WriteHeader(status)
		return
	}
	c.replaced = true
	p := problemf(ProblemUnknownRoute, "There is nothing at %s.", c.request.URL.Path)
	if status == http.StatusMethodNotAllowed {
		p = problemf(ProblemMethodNotAllowed, "%s takes %s.", c.request.URL.Path, c.Header().Get("Allow"))
	}
	c.Header().Del("Content-Length")
	c.site.answerProblem(c.ResponseWriter, c.request, p.Problem)
}

// Write drops what the problem replaces.
func (c *corrected) Write(body []byte) (int, error) {
	if c.replaced {
		return len(body), nil
	}
	return c.ResponseWriter.Write(body)
}

// Flush sends what was written so far, for handlers that stream.
func (c *corrected) Flush() {
	if flusher, ok := c.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// Unwrap is for [http.ResponseController].
func (c *corrected) Unwrap() http.ResponseWriter { return c.ResponseWriter }
