package rest_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
)

// crowd is clients that open accounts and read them back, over TCP, each on connections of its own.
type crowd struct {
	clients, rounds int
	// position has reads carry the position their write answered.
	position bool

	address                          string
	stale, failed, duplicates, fresh atomic.Int64
}

// serveBank serves a bank over a SQLite file, and returns its address and what it runs on.
func serveBank(t *testing.T, model *projection.Model[Balance]) (string, *app.Running) {
	t.Helper()
	server := rest.Serve("127.0.0.1:0", rest.Command[Open]("POST /accounts"), rest.Get("GET /accounts/{id}", model))
	running := run(t, sqlite.File(filepath.Join(t.TempDir(), "bank.db")), accounts(), model, server)
	address, err := server.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + address, running
}

// run lets all clients work at the same time.
func (c *crowd) run(t *testing.T) {
	t.Helper()
	var working sync.WaitGroup
	for n := range c.clients {
		working.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}}
			defer client.CloseIdleConnections()
			for round := range c.rounds {
				c.placeAndRead(t, client, fmt.Sprintf("%d-%d", n, round))
			}
		})
	}
	working.Wait()
}

// placeAndRead sends one command twice at the same time under one key, and reads what came of it.
func (c *crowd) placeAndRead(t *testing.T, client *http.Client, id string) {
	t.Helper()
	var answers [2]reply
	var sending sync.WaitGroup
	for i := range answers {
		sending.Go(func() { answers[i] = c.place(t, client, id) })
	}
	sending.Wait()
	for _, got := range answers {
		switch got.status {
		case http.StatusCreated:
			c.fresh.Add(1)
		case http.StatusOK:
			c.duplicates.Add(1)
		default:
			c.failed.Add(1)
			t.Errorf("account %s: %d %s", id, got.status, got.body)
			return
		}
	}
	if answers[0].header.Get(rest.HeaderPosition) != answers[1].header.Get(rest.HeaderPosition) {
		t.Errorf("account %s: one command has two positions", id)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.address+"/accounts/"+id, nil)
	if err != nil {
		t.Error(err)
		return
	}
	if c.position {
		request.Header.Set(rest.HeaderPosition, answers[0].header.Get(rest.HeaderPosition))
	}
	got, err := exchange(client, request)
	if err != nil {
		t.Error(err)
		return
	}
	if got.status != http.StatusOK || !strings.Contains(got.body, `"owner":"owner of `+id+`"`) {
		c.stale.Add(1)
	}
}

func (c *crowd) place(t *testing.T, client *http.Client, id string) reply {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q,"owner":"owner of %s"}`, id, id)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.address+"/accounts", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return reply{}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(rest.HeaderIdempotencyKey, "open-"+id)
	got, err := exchange(client, request)
	if err != nil {
		t.Error(err)
	}
	return got
}

// TestClientsReadTheirOwnWrites has 100 clients place and read at the same time, every command sent twice.
func TestClientsReadTheirOwnWrites(t *testing.T) {
	t.Parallel()
	address, running := serveBank(t, balances())
	c := &crowd{clients: 100, rounds: 5, position: true, address: address}
	c.run(t)
	commands := int64(c.clients * c.rounds)
	t.Logf("%d commands sent twice: %d carried out, %d duplicates, %d failed; %d stale reads",
		commands, c.fresh.Load(), c.duplicates.Load(), c.failed.Load(), c.stale.Load())
	if c.stale.Load() != 0 {
		t.Errorf("%d of %d reads were stale", c.stale.Load(), commands)
	}
	if c.fresh.Load() != commands || c.duplicates.Load() != commands {
		t.Errorf("%d commands carried out and %d duplicates, want %d of each", c.fresh.Load(), c.duplicates.Load(), commands)
	}
	seen := make(map[string]int)
	for after := carillon.Position(0); ; {
		page, err := running.Log.Read(t.Context(), carillon.AllEvents(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range page.Events {
			seen[event.Stream]++
		}
		if after = page.Through; !page.More {
			break
		}
	}
	for stream, events := range seen {
		if events != 1 {
			t.Errorf("%s has %d events, want 1", stream, events)
		}
	}
	if int64(len(seen)) != commands {
		t.Errorf("%d accounts in the log, want %d", len(seen), commands)
	}
}

// TestClientsWithoutThePositionReadStale is the control: the same clients, whose reads do not carry the position, while the
// projection is held back as a busy one would be.
func TestClientsWithoutThePositionReadStale(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	address, _ := serveBank(t, gated(gate))
	t.Cleanup(sync.OnceFunc(func() { close(gate) }))
	c := &crowd{clients: 100, rounds: 1, address: address}
	c.run(t)
	if want := int64(c.clients); c.stale.Load() != want {
		t.Errorf("%d reads were stale, want %d: the check of stale reads sees nothing", c.stale.Load(), want)
	}
}
