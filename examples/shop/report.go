package shop

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
)

// report tells what the shop itself does not know.
type report struct {
	read func(ctx context.Context, running *app.Running) (any, error)
}

// Describe describes the report.
func (*report) Describe() carillon.Description {
	return carillon.Description{Kind: "report", Name: "services"}
}

// Report is a part of [New] that serves how the services beside the shop fare, as JSON, at /api/services; the page shows it. Without
// it that is empty.
func Report[S any](read func(ctx context.Context, running *app.Running) (S, error)) carillon.Describer {
	return &report{func(ctx context.Context, running *app.Running) (any, error) { return read(ctx, running) }}
}

// handler serves the report of a service once it runs.
func (r *report) handler(service func() *app.App) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		running, err := service().Running(request.Context())
		var found any
		if err == nil {
			found, err = r.read(request.Context(), running)
		}
		text, failure := json.Marshal(found)
		if errors.Join(err, failure) != nil {
			http.Error(w, "the services cannot be read now", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // a client that has gone is no failure
	})
}
