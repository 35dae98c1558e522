package rest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/rest"
)

// A client opens an account, reads it back and sees its own write, and sends the command again without harm.
func Example() {
	model := balances()
	server := rest.Serve("127.0.0.1:0",
		rest.Command[Open]("POST /accounts"),
		rest.Get("GET /accounts/{id}", model))
	bank := app.New(memory.Volatile(), accounts(), model, server, app.LogTo(slog.New(slog.DiscardHandler)))

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- bank.Run(ctx) }()
	address, err := server.Addr(ctx)
	if err != nil {
		fmt.Println(err)
		stop()
		return
	}

	call := func(method, path, body string, headers ...string) http.Header {
		request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return nil
		}
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			return nil
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			fmt.Println(err)
		}
		fmt.Print(answer.StatusCode, " ", string(text))
		return answer.Header
	}
	const account = `{"id":"1","owner":"Ada"}`
	opened := call(http.MethodPost, "/accounts", account, rest.HeaderIdempotencyKey, "request-1")
	call(http.MethodGet, "/accounts/1", "", rest.HeaderPosition, opened.Get(rest.HeaderPosition))
	call(http.MethodPost, "/accounts", account, rest.HeaderIdempotencyKey, "request-1")

	stop()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
	// Output:
	// 201 {"position":1,"version":1,"duplicate":false}
	// 200 {"owner":"Ada","pence":0,"notes":[]}
	// 200 {"position":1,"version":1,"duplicate":true}
}
