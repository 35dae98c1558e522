package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
)

const (
	// drainLimit is how long requests under way may take to finish after the service is told to stop.
	drainLimit = 10 * time.Second
	// headerLimit, bodyLimit and idleLimit bound how long a client may take to send the head of a request, all of it, and the next
	// one. answerLimit is how long it may take to read the answer, beyond what the service takes to make it wait.
	headerLimit = 10 * time.Second
	bodyLimit   = time.Minute
	idleLimit   = 2 * time.Minute
	answerLimit = time.Minute
	// maxHeader is the most that the head of a request may have, in bytes.
	maxHeader = 64 << 10
)

// Server is a part of a service that serves it over HTTP.
type Server struct {
	address string
	parts   []Part

	once    sync.Once
	started chan struct{} // closed when bound or failed is set
	bound   string
	failed  error
}

// Serve serves parts at a TCP address, such as "127.0.0.1:8080"; port 0 takes a free one, see [Server.Addr]. The API description
// is at /openapi.json and a page that shows it at /docs.
func Serve(address string, parts ...Part) *Server {
	return &Server{address: address, parts: parts, started: make(chan struct{})}
}

// Describe describes the server and its endpoints.
func (s *Server) Describe() carillon.Description {
	description := carillon.Description{Kind: "server", Name: "rest", Detail: map[string]string{"address": s.address}}
	for _, part := range s.parts {
		if part.kind != "setting" {
			description.Parts = append(description.Parts, part.describe())
		}
	}
	return description
}

// Addr returns the address the server listens at, or why it does not. It waits until the server has been started.
func (s *Server) Addr(ctx context.Context) (string, error) {
	select {
	case <-s.started:
		return s.bound, s.failed
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Serve serves a running service until the context ends. Then it takes no more requests and returns when those under way have
// been answered, after ten seconds at the latest. A server serves once.
func (s *Server) Serve(ctx context.Context, running *app.Running) error {
	first := false
	s.once.Do(func() { first = true })
	if !first {
		return carillon.Invalidf("server", "it serves once, make another to serve again")
	}
	server, listener, err := s.listen(ctx, running)
	s.failed = err
	if err == nil {
		s.bound = listener.Addr().String()
	}
	close(s.started)
	if err != nil {
		return err
	}
	logger := loggerOf(running)
	logger.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("address", s.bound))
	return serve(ctx, server, listener, logger, drainLimit)
}

func loggerOf(running *app.Running) *slog.Logger {
	if running.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return running.Logger
}

func (s *Server) listen(ctx context.Context, running *app.Running) (*http.Server, net.Listener, error) {
	handler, err := newSite(running, s.parts)
	if err != nil {
		return nil, nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.address)
	if err != nil {
		return nil, nil, fmt.Errorf("rest: %w", err)
	}
	return &http.Server{
		Handler:           handler.guarded(),
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       bodyLimit,
		WriteTimeout:      bodyLimit + handler.waitLimit + answerLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(loggerOf(running).Handler(), slog.LevelWarn),
	}, listener, nil
}

// serve serves until the context ends and the requests under way are answered, or the limit after it.
func serve(ctx context.Context, server *http.Server, listener net.Listener, logger *slog.Logger, limit time.Duration) error {
	requests, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server.BaseContext = func(net.Listener) context.Context { return requests }
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("rest: %w", err)
	case <-ctx.Done():
	}
	draining, stop := context.WithTimeout(requests, limit)
	defer stop()
	failure := server.Shutdown(draining)
	if failure != nil {
		logger.LogAttrs(requests, slog.LevelWarn, "requests under way abandoned", slog.Duration("after", limit), slog.Any("error", failure))
		abandon()
		failure = fmt.Errorf("rest: requests under way abandoned after %s: %w", limit, errors.Join(failure, server.Close()))
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		failure = errors.Join(failure, fmt.Errorf("rest: %w", err))
	}
	return failure
}
