package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServesAccounts(t *testing.T) {
	t.Parallel()
	file, address := filepath.Join(t.TempDir(), "bank.db"), freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	service, ended := bank(file, address), make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	if _, err := service.Running(ctx); err != nil {
		t.Fatal(err)
	}
	position := open(t, address, http.StatusCreated)
	open(t, address, http.StatusConflict) // open already

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/accounts/1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Carillon-Position", position)
	_, body := send(t, request, http.StatusOK)
	var owner Owner
	if err := json.Unmarshal(body, &owner); err != nil || owner.Name != "Ann" {
		t.Errorf("got %s, %v; want Ann", body, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// open opens account 1 and returns the position header of the answer.
func open(t *testing.T, address string, want int) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/accounts", strings.NewReader(`{"ID":"1","Owner":"Ann"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	header, _ := send(t, request, want)
	return header.Get("Carillon-Position")
}

func send(t *testing.T, request *http.Request, want int) (http.Header, []byte) {
	t.Helper()
	response, err := dial(t, request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Fatalf("%s %s: got %s %s, %v; want %d", request.Method, request.URL, response.Status, body, err, want)
	}
	return response.Header, body
}

// dial sends a request, again while the server is not listening yet.
func dial(t *testing.T, request *http.Request) (*http.Response, error) {
	t.Helper()
	for {
		response, err := http.DefaultClient.Do(request)
		if err == nil || t.Context().Err() != nil || !strings.Contains(err.Error(), "connection refused") {
			return response, err
		}
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// The README shows this program, word for word, in 60 lines at most.
func TestReadmeShowsThisProgram(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
		t.Error("README.md does not show examples/first/main.go as it is: paste it there")
	}
	if lines := strings.Count(string(program), "\n"); lines > 60 {
		t.Errorf("the first program has %d lines, the limit is 60", lines)
	}
}
