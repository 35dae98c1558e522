package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// placed is the one event of these tests.
type placed struct{ Number int }

// oddKey is a key that no event has: bytes that are no text, and what a terminal would act on.
const oddKey = "\xff\x1b[2J\n"

// mailroom is a service with a reactor that fails for some, a projection that panics for one and one that has nothing to do.
type mailroom struct {
	url    string
	store  carillon.Store
	engine *projection.Engine
	stop   func()

	mu     sync.Mutex
	broken bool
	mailed []int
}

func newMailroom(url string, broken bool) *mailroom { return &mailroom{url: url, broken: broken} }

func (m *mailroom) repair() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = false
}

func (m *mailroom) mails() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mailed)
}

func (m *mailroom) mail(_ context.Context, at carillon.Recorded, e placed) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken && at.Key != "bob" {
		return consume.Permanent(errors.New("no such\x1b[2J address"))
	}
	m.mailed = append(m.mailed, e.Number)
	return nil
}

func (m *mailroom) name(names []int, e placed) []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken && e.Number == 4 {
		panic("four")
	}
	return append(names, e.Number)
}

// open opens the store and runs the service.
func (m *mailroom) open(t *testing.T) {
	t.Helper()
	opener, err := (&storeFlag{url: m.url}).opener()
	if err != nil {
		t.Fatal(err)
	}
	if m.store, err = opener.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.engine = projection.NewEngine(eventlog.New(m.store.Log()), m.store)
	for _, definition := range []projection.Definition{
		projection.React("mails", projection.FromBeginning(), projection.Handle("order.placed", m.mail)),
		projection.Keyed("names", projection.On("order.placed", m.name)),
		projection.React("idle", projection.FromNow(), projection.Handle("order.lost", m.mail)),
	} {
		if err := m.engine.Add(definition); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.engine.Run(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := m.store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(m.stop)
}

// place appends orders from number 1 on, one for each customer.
func (m *mailroom) place(t *testing.T, customers ...string) {
	t.Helper()
	log := eventlog.New(m.store.Log())
	for i, customer := range customers {
		event := carillon.Message{
			Type: "order.placed", ID: fmt.Sprintf("order-%d", i+1), Key: customer, Payload: fmt.Appendf(nil, `{"Number":%d}`, i+1),
		}
		if _, err := log.Append(t.Context(), carillon.Append{Events: []carillon.Message{event}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.engine.WaitAll(t.Context(), carillon.Position(len(customers))); err != nil {
		t.Fatal(err)
	}
}

// attempts is how often the first letter of a key was tried.
func (m *mailroom) attempts(t *testing.T, consumer, key string) int {
	t.Helper()
	letters, err := m.store.(carillon.DeadLetterStore).DeadLetters().Letters(t.Context(), consumer, key, 0, 1)
	if err != nil || len(letters) == 0 {
		t.Fatalf("letters of %s: %v, %v", key, letters, err)
	}
	return letters[0].Attempts
}

// parkOdd parks an event under the odd key.
func (m *mailroom) parkOdd(t *testing.T, position carillon.Position) {
	t.Helper()
	failed := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	letter := carillon.DeadLetter{
		Consumer: "mails", Key: oddKey, Position: position, Attempts: 2, Cause: "odd", Stack: "goroutine 1:\n\tmail.go:1", First: failed, Last: failed,
	}
	err := m.store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "mails"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		return tx.(carillon.ParkingTx).Park([]carillon.DeadLetter{letter})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// await returns once a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: it did not come", what)
		}
	}
}

const nothingParked = "nothing is parked\n"

// TestDeadLetters goes through what a person does about parked events while the service is stopped.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	for name, empty := range emptyStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := empty(t)
			broken := newMailroom(store, true)
			broken.open(t)
			broken.place(t, "bob", "ann", "bob", "bob", "ann", "", "ann")
			broken.stop()
			broken.open(t) // tries every parked key once
			await(t, "second attempts", func() bool {
				return broken.attempts(t, "mails", "#6") == 2 && broken.attempts(t, "mails", "ann") == 2 && broken.attempts(t, "names", "bob") == 2
			})
			broken.parkOdd(t, 3)
			broken.stop()
			checkTranscript(t, filepath.Join("testdata", "stores", "deadletters.txt"), "STORE", store)

			mended := newMailroom(store, false)
			mended.open(t)
			await(t, "everything tried", func() bool { return mustRun(t, "deadletter", "list", "--store", store) == nothingParked })
			mended.stop()
			mailed := mended.mails()
			orderOfAnn := slices.DeleteFunc(slices.Clone(mailed), func(number int) bool { return number == 6 })
			if diff := cmp.Diff([]int{5, 7}, orderOfAnn); diff != "" || len(mailed) != 3 {
				t.Errorf("mailed %v, -want +got of ann:\n%s", mailed, diff)
			}
		})
	}
}

// TestAStackIsShown parks a panic.
func TestAStackIsShown(t *testing.T) {
	t.Parallel()
	for name, empty := range emptyStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := empty(t)
			broken := newMailroom(store, true)
			broken.open(t)
			broken.place(t, "bob", "bob", "bob", "bob")
			broken.stop()
			var letter letterObject
			if err := json.Unmarshal([]byte(mustRun(t, "deadletter", "show", "names", "bob", "--store", store, "--json")), &letter); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(letter.Stack, "goroutine ") || letter.Event == nil || letter.Event.ID != "order-4" || letter.First.IsZero() {
				t.Errorf("got %+v", letter)
			}
			shown := mustRun(t, "deadletter", "show", "names", "bob", "--store", store)
			if !strings.Contains(shown, "\n          stack    goroutine ") || !strings.Contains(shown, "deadletter_test.go:") || strings.Contains(shown, `\t`) {
				t.Errorf("no stack in:\n%s", shown)
			}
		})
	}
}

// TestARunningServiceTriesAgain asks beside a service that runs.
func TestARunningServiceTriesAgain(t *testing.T) {
	t.Parallel()
	store := emptySchema(t)
	service := newMailroom(store, true)
	service.open(t)
	service.place(t, "ann", "bob", "ann", "")
	mustRun(t, "deadletter", "discard", "mails", "ann", "1", "--yes", "--store", store)
	service.repair()
	want := "asked for another try of key ann of mails: a running service makes it within a second, any other when it starts\n"
	if got := mustRun(t, "deadletter", "retry", "mails", "ann", "--store", store); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	await(t, "ann's mail", func() bool {
		return !strings.Contains(mustRun(t, "deadletter", "list", "mails", "--store", store), "ann")
	})
	if got := service.mails(); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("asked for one key, it mailed %v", got)
	}
	mustRun(t, "deadletter", "retry", "--all", "--store", store)
	await(t, "nothing parked", func() bool { return mustRun(t, "deadletter", "list", "--store", store) == nothingParked })
	if got := service.mails(); !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("mailed %v", got)
	}
}

// TestAFileInUseIsRefusedWithTheWayOut tries beside a service that has the file.
func TestAFileInUseIsRefusedWithTheWayOut(t *testing.T) {
	t.Parallel()
	store := emptyFile(t)
	service := newMailroom(store, true)
	service.open(t)
	service.place(t, "ann")
	for _, test := range []struct {
		args []string
		way  string
	}{
		{[]string{"retry", "mails", "ann"}, "restart the service that writes to it, which then tries every parked key, or have it call Engine.Retry"},
		{[]string{"retry", "--all"}, "restart the service that writes to it, which then tries every parked key, or have it call Engine.Retry"},
		{[]string{"discard", "mails", "ann", "1", "--yes"}, "nothing was discarded: stop the service that writes to it, discard, and start it again"},
	} {
		r := run(t, append([]string{"deadletter", "--store", store}, test.args...)...)
		want := "carillon: " + store + ": store in use by another process: " + test.way + "\n"
		if r.status != StatusFailure || r.stdout != "" || r.stderr != want {
			t.Errorf("%s: exit %d, %q, %q, want %q", strings.Join(test.args, " "), r.status, r.stdout, r.stderr, want)
		}
	}
	// Looking is possible, and the second way out is one.
	if parked := mustRun(t, "deadletter", "list", "--store", store); !strings.Contains(parked, "ann") {
		t.Errorf("parked: %q", parked)
	}
	mustRun(t, "deadletter", "show", "mails", "ann", "--store", store)
	service.repair()
	if err := service.engine.Retry(t.Context(), "mails", "ann"); err != nil {
		t.Fatal(err)
	}
	await(t, "Engine.Retry", func() bool { return mustRun(t, "deadletter", "list", "--store", store) == nothingParked })
}

func TestKeysThatLookAlikeAreNotMistaken(t *testing.T) {
	t.Parallel()
	store := emptyFile(t)
	service := newMailroom(store, false)
	service.open(t)
	service.place(t, "bob")
	err := service.store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "idle"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		var letters []carillon.DeadLetter
		for _, key := range []string{"a\n", `a\n`, "b\n\\t", "b\\n\t"} {
			letters = append(letters, carillon.DeadLetter{Consumer: "idle", Key: key, Position: 1, Attempts: 1, Cause: key})
		}
		return tx.(carillon.ParkingTx).Park(letters)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ argument, key string }{
		{"a\n", "a\n"}, {`a\n`, `a\n`}, {"b\n\\t", "b\n\\t"}, {"b\\n\t", "b\\n\t"},
	} {
		var letter letterObject
		out := mustRun(t, "deadletter", "show", "idle", test.argument, "--store", store, "--json")
		if err := json.Unmarshal([]byte(out), &letter); err != nil || letter.Key != test.key || letter.Cause != test.key {
			t.Errorf("%q: got %s, %v", test.argument, out, err)
		}
	}
	r := run(t, "deadletter", "show", "idle", `b\n\t`, "--store", store)
	if want := "carillon: 2 parked keys of idle are shown as b\\n\\t: write the bytes of the one that is meant\n"; r.status != StatusUsage || r.stderr != want {
		t.Errorf("exit %d, %q, want %q", r.status, r.stderr, want)
	}
}
