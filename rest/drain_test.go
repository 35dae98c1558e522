package rest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRequestsThatDoNotEndAreAbandoned stops a server whose handler waits for its context alone.
func TestRequestsThatDoNotEndAreAbandoned(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan error, 1)
	server := &http.Server{
		ReadHeaderTimeout: headerLimit,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			left <- r.Context().Err()
		}),
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log strings.Builder
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, server, listener, slog.New(slog.NewTextHandler(&log, nil)), time.Millisecond)
	}()
	go func() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := (&http.Transport{}).RoundTrip(request)
		if err == nil {
			_ = answer.Body.Close()
		}
	}()
	<-entered
	stop()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("serve: %v", err)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context: %v", err)
	}
	if !strings.Contains(log.String(), "abandoned") {
		t.Errorf("the log does not say so: %s", log.String())
	}
}
