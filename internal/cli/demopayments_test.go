package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/internal/backends"
)

const (
	// takenBefore is how many payments the provider takes before it goes away, and awayFor how long it then is.
	takenBefore = 20
	awayFor     = 4 * time.Second
)

// provider takes payments, goes away after some, and comes back.
type provider struct {
	back func() // called once, before the first payment that it takes again

	mu       sync.Mutex
	taken    map[string]int
	gone     time.Time
	refused  int
	returned bool
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var payment services.TakePayment
	if err := json.NewDecoder(r.Body).Decode(&payment); err != nil || r.Header.Get("Idempotency-Key") != payment.OrderID {
		http.Error(w, "no payment", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) >= takenBefore && p.gone.IsZero() {
		p.gone = time.Now()
	}
	if !p.gone.IsZero() && time.Since(p.gone) < awayFor {
		p.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if !p.gone.IsZero() && !p.returned {
		p.returned = true
		p.back()
	}
	p.taken[payment.OrderID]++
}

// TestPaymentsAwayFromProcesses has the provider go away while five processes are at work: orders are accepted meanwhile, nothing is parked,
// the provider is spared, and every order is paid and shipped in the end.
func TestPaymentsAwayFromProcesses(t *testing.T) {
	t.Parallel()
	content, totals := generate(t, 300)
	broker := backends.Variable(t, backends.NATS) + "?prefix=" + unusedPrefix()
	directory := t.TempDir()
	file := writeFile(t, directory+"/retail.csv", content)
	p := &provider{taken: make(map[string]int)}
	p.back = func() {
		if placed, err := inStore(directory, "shop", func(ctx context.Context, store carillon.Store) (int, error) {
			head, err := store.Log().Head(ctx)
			return int(head), err
		}); err != nil || placed < totals.Orders {
			t.Errorf("the shop has %d events when payments come back, of %d orders and more: %v", placed, totals.Orders, err)
		}
		paid, err := inStore(directory, "payments", func(ctx context.Context, store carillon.Store) (services.Progress, error) {
			return services.ProgressIn(ctx, store)
		})
		if err != nil || paid.Payments > takenBefore {
			t.Errorf("%d payments were made when payments come back, %v", paid.Payments, err)
		}
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	got := run(t, demoArgs(directory, file, "--processes", "--broker", broker, "--payments", server.URL, "--exit", "--json")...)
	if got.status != StatusOK {
		t.Fatalf("status %d: %s", got.status, got.stderr)
	}
	checkServices(t, lastLine(t, got.stdout), int64(totals.Orders))
	parked, err := inStore(directory, "payments", func(ctx context.Context, store carillon.Store) ([]carillon.ParkedKey, error) {
		return store.(carillon.DeadLetterStore).DeadLetters().Keys(ctx, "payments")
	})
	if err != nil || len(parked) > 0 {
		t.Errorf("parked are %v, %v", parked, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.returned || len(p.taken) != totals.Orders {
		t.Errorf("the provider came back: %v, and took %d of %d payments", p.returned, len(p.taken), totals.Orders)
	}
	for order, times := range p.taken {
		if times != 1 {
			t.Errorf("it took the payment of %s %d times", order, times)
		}
	}
	if p.refused == 0 || p.refused > 100 {
		t.Errorf("it was asked %d times while it was away", p.refused)
	}
}

// inStore reads from the store of a service that may be running.
func inStore[T any](directory, name string, read func(context.Context, carillon.Store) (T, error)) (found T, err error) {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	store, err := sqlite.ReadOnly(filepath.Join(directory, name+".db")).Open(ctx)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return read(ctx, store)
}

// TestRefusedPayments has the provider say no, which is an answer: the order is parked, and the others are paid.
func TestRefusedPayments(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") == "no" {
			w.WriteHeader(http.StatusPaymentRequired)
		}
	}))
	t.Cleanup(server.Close)
	charge := services.ChargeAt(server.URL, server.Client())
	var got []string
	for _, order := range []string{"yes", "no"} {
		err := charge(t.Context(), services.TakePayment{OrderID: order})
		got = append(got, fmt.Sprint(err, errors.Is(err, carillon.ErrRejected), errors.Is(err, carillon.ErrUnavailable)))
	}
	server.Close()
	err := charge(t.Context(), services.TakePayment{OrderID: "late"})
	got = append(got, fmt.Sprint(errors.Is(err, carillon.ErrRejected), errors.Is(err, carillon.ErrUnavailable)))
	want := []string{"<nil> false false", "the payments provider refuses order no: 402 Payment Required true false", "false true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
