package rest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/rest"
)

func TestBodiesAreReadStrictly(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, test := range []struct {
		name, target, body string
		problem            string
		status             int
		detail             string // part of it
	}{
		{"no JSON", "/accounts", `{"id":`, rest.ProblemMalformed, 400, "ends too early"},
		{"text", "/accounts", `hello`, rest.ProblemMalformed, 400, "invalid character"},
		{"comma", "/accounts", `{"id":"2","owner":"Ada",}`, rest.ProblemMalformed, 400, "invalid character"},
		{"trailing", "/accounts", `{"id":"2","owner":"Ada"} {}`, rest.ProblemMalformed, 400, "behind"},
		{"duplicate key", "/accounts", `{"id":"2","id":"3","owner":"Ada"}`, rest.ProblemMalformed, 400, "twice"},
		{"escaped duplicate", "/accounts", `{"id":"2","\u0069d":"3","owner":"Ada"}`, rest.ProblemMalformed, 400, "twice"},
		{"too deep", "/accounts", `{"id":"2","owner":"Ada","notes":` + deep(101) + `}`, rest.ProblemMalformed, 400, "deeper than 100"},
		{"no UTF-8", "/accounts", "{\"id\":\"\xff\",\"owner\":\"Ada\"}", rest.ProblemMalformed, 400, "UTF-8"},
		{"unknown field", "/accounts", `{"id":"2","owner":"Ada","role":"admin"}`, rest.ProblemInvalid, 422, "field role: there is no such field"},
		{"other case", "/accounts", `{"id":"2","Owner":"Ada"}`, rest.ProblemInvalid, 422, "field Owner: there is no such field"},
		{"missing field", "/accounts", `{"id":"2"}`, rest.ProblemInvalid, 422, "owner"},
		{"no body", "/accounts", ``, rest.ProblemInvalid, 422, "and 1 more"},
		{"null", "/accounts", `null`, rest.ProblemInvalid, 422, "object"},
		{"list", "/accounts", `[]`, rest.ProblemInvalid, 422, "cannot be a JSON array"},
		{"null field", "/accounts", `{"id":"2","owner":null}`, rest.ProblemInvalid, 422, "body.owner: expected string"},
		{"null list", "/accounts", `{"id":"2","owner":"Ada","notes":[null]}`, rest.ProblemInvalid, 422, "body.notes[0]"},
		{"wrong type", "/accounts", `{"id":2,"owner":"Ada"}`, rest.ProblemInvalid, 422, "field id: it cannot be a JSON number"},
		{"too short", "/accounts", `{"id":"2","owner":""}`, rest.ProblemInvalid, 422, "body.owner"},
		{"below minimum", "/accounts/1/deposits", `{"pence":0}`, rest.ProblemInvalid, 422, "body.pence"},
		{"fraction", "/accounts/1/deposits", `{"pence":1.5}`, rest.ProblemInvalid, 422, "field pence"},
		{"overflow", "/accounts/1/deposits", `{"pence":9223372036854775808}`, rest.ProblemInvalid, 422, "field pence"},
		{"astronomic", "/accounts/1/deposits", `{"pence":1e999}`, rest.ProblemInvalid, 422, "field pence"},
		{"no time", "/accounts/1/deposits", `{"pence":1,"due":"tomorrow"}`, rest.ProblemInvalid, 422, "body"},
		{"against the path", "/accounts/1/deposits", `{"id":"2","pence":1}`, rest.ProblemInvalid, 422, "body.id: it contradicts the path"},
		{"query", "/accounts/1/deposits?x=1", `{"pence":1}`, rest.ProblemParameter, 400, `no query parameter "x"`},
		{"name of a stream", "/accounts", `{"id":"a\u0000b","owner":"Ada"}`, rest.ProblemInvalid, 422, "control characters"},
		{"no key", "/accounts", `{"id":"","owner":"Ada"}`, rest.ProblemInvalid, 422, "boundary"},
		{"path without UTF-8", "/accounts/%ff/deposits", `{"pence":1}`, rest.ProblemParameter, 400, "UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := wantProblem(t, send(t, handler, http.MethodPost, test.target, test.body), test.problem, test.status)
			if !strings.Contains(p.Detail, test.detail) {
				t.Errorf("detail %q, want %q in it", p.Detail, test.detail)
			}
		})
	}
}

func TestBodiesThatAreFine(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"plain":             `{"pence":5}`,
		"agrees with path":  `{"id":"1","pence":5}`,
		"spaces":            " \n{ \"pence\" : 5 } \n",
		"optional null":     `{"pence":5,"due":null}`,
		"optional given":    `{"pence":5,"due":"2026-01-31T12:00:00Z"}`,
		"largest allowance": `{"pence":1000000}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := bankHandler(t)
			must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada","notes":["a"]}`)
			must(t, handler, 200, http.MethodPost, "/accounts/1/deposits", body, "Content-Type", "application/json; charset=UTF-8")
		})
	}
}

func TestAllMistakesAreListed(t *testing.T) {
	t.Parallel()
	p := wantProblem(t, send(t, bankHandler(t), http.MethodPost, "/accounts", `{"owner":"","notes":["a"]}`), rest.ProblemInvalid, 422)
	want := []rest.FieldProblem{
		{Location: "body", Message: "expected required property id to be present"},
		{Location: "body.owner", Message: "expected length >= 1"},
	}
	if diff := cmp.Diff(want, p.Errors); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`)
	for name, header := range map[string][2]string{
		"form":     {"Content-Type", "application/x-www-form-urlencoded"},
		"text":     {"Content-Type", "text/plain"},
		"latin":    {"Content-Type", "application/json; charset=iso-8859-1"},
		"nonsense": {"Content-Type", ";;"},
		"none":     {"Content-Type", ""},
		"gzip":     {"Content-Encoding", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/accounts/1/deposits", strings.NewReader(`{"pence":1}`))
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set(header[0], header[1])
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			wantProblem(t, reply{recorder.Code, recorder.Header(), recorder.Body.String()}, rest.ProblemUnsupportedMediaType, 415)
		})
	}
	// A form without fields has no body, but says what it is: another site could send it without asking.
	got := send(t, handler, http.MethodDelete, "/accounts/1", "", "Content-Type", "application/x-www-form-urlencoded")
	wantProblem(t, got, rest.ProblemUnsupportedMediaType, 415)
}

// TestLargeBodies sends over TCP: the sender of a body that is too large must get to read the answer.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(bankHandler(t))
	t.Cleanup(server.Close)
	body := func(size int) string {
		const around = `{"id":"1","owner":"Ada","notes":[""]}`
		return fmt.Sprintf(`{"id":"1","owner":"Ada","notes":["%s"]}`, strings.Repeat("x", size-len(around)))
	}
	for _, test := range []struct {
		name    string
		size    int
		chunked bool
		headers []string
		problem string
		status  int
	}{
		{"at the limit", 1 << 20, false, nil, "", 201},
		{"one above", 1<<20 + 1, false, nil, rest.ProblemTooLarge, 413},
		{"2 MiB", 2 << 20, false, nil, rest.ProblemTooLarge, 413},
		{"2 MiB in chunks", 2 << 20, true, nil, rest.ProblemTooLarge, 413},
		{"2 MiB announced", 2 << 20, false, []string{"Expect", "100-continue"}, rest.ProblemTooLarge, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			var content io.Reader = strings.NewReader(body(test.size))
			if test.chunked {
				content = io.MultiReader(content) // of unknown length
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/accounts", content)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(test.headers); i += 2 {
				request.Header.Set(test.headers[i], test.headers[i+1])
			}
			got := do(t, server.Client(), request)
			if test.problem == "" {
				if got.status != test.status {
					t.Fatalf("status %d: %s", got.status, got.body)
				}
				return
			}
			wantProblem(t, got, test.problem, test.status)
		})
	}
}

// TestSendersThatDoNotListen sends all of a body that is too large before it reads anything, as many clients do.
func TestSendersThatDoNotListen(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(bankHandler(t))
	t.Cleanup(server.Close)
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := connection.(*net.TCPConn).SetWriteBuffer(32 << 10); err != nil { // or the system takes the body for the server
		t.Fatal(err)
	}
	const size = 8 << 20
	head := fmt.Sprintf("POST /accounts HTTP/1.1\r\nHost: bank\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
	if _, err := io.WriteString(connection, head+strings.Repeat(" ", size)); err != nil {
		t.Fatalf("the body was not taken: %v", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, reply{response.StatusCode, response.Header, string(body)}, rest.ProblemTooLarge, 413)
}

// do sends a request over the network.
func do(t *testing.T, client *http.Client, request *http.Request) reply {
	t.Helper()
	got, err := exchange(client, request)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func exchange(client *http.Client, request *http.Request) (reply, error) {
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, strings.TrimSpace(string(body))}, errors.Join(err, response.Body.Close())
}
