package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
)

// openAPI prints the description of the shop's endpoints, as a shop in memory answers it.
func openAPI(ctx context.Context, out *printer) error {
	service, _ := shop.New(memory.Volatile(), "", app.LogTo(slog.New(slog.DiscardHandler)))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	document, err := fetchOpenAPI(ctx, service)
	stop()
	if failure := <-ended; failure != nil {
		return failure
	}
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return fmt.Errorf("OpenAPI description: %w", err)
	}
	out.printf("%s", indented.Bytes())
	return nil
}

func fetchOpenAPI(ctx context.Context, service *app.App) ([]byte, error) {
	running, err := service.Running(ctx)
	if err != nil {
		return nil, err
	}
	handler, err := shop.Handler(running)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	answer := &answerBuffer{header: make(http.Header), status: http.StatusOK}
	handler.ServeHTTP(answer, request)
	if answer.status != http.StatusOK {
		return nil, fmt.Errorf("OpenAPI description: %s", http.StatusText(answer.status))
	}
	return answer.body.Bytes(), nil
}

// answerBuffer keeps an HTTP answer.
type answerBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerBuffer) Header() http.Header { return a.header }

func (a *answerBuffer) WriteHeader(status int) { a.status = status }

func (a *answerBuffer) Write(data []byte) (int, error) { return a.body.Write(data) }
