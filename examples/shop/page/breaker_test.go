package page_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	business "github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/middleware"
)

// status is of a breaker that opened a minute ago and is being probed.
const status = `{"now":"2026-03-01T12:10:00Z","breaker":"half-open","opened":2,"paid":1234,"waiting_keys":56,"dead_letters":0,"history":[` +
	`{"state":"closed","since":"2026-03-01T11:00:00Z"},{"state":"open","since":"2026-03-01T12:09:00Z"},` +
	`{"state":"half-open","since":"2026-03-01T12:09:30Z"},{"state":"open","since":"2026-03-01T12:09:30.010Z"},` +
	`{"state":"half-open","since":"2026-03-01T12:09:59Z"}]}`

// band is a part of the strip, in parts of its width.
type band struct {
	State   string
	X, Wide float64
}

func (p *tab) bands() (found []band) {
	p.t.Helper()
	p.evaluate(`[...document.querySelectorAll("#breaker .band")].map((b) => ({
		State: b.getAttribute("class").slice(5), X: b.x.baseVal.value / b.parentNode.clientWidth, Wide: b.width.baseVal.value / b.parentNode.clientWidth}))`, &found)
	return found
}

func testBreaker(t *testing.T, b *browser) {
	s := openShop(t)
	s.set(func(s *shop) { s.services = status })
	p := visit(t, b, s, 1200)
	p.check("#breaker-summary", "Payments are away: one order asks whether they are back. The circuit breaker is half-open and has opened 2 times.")
	counts := map[string]string{}
	p.evaluate(`Object.fromEntries([...document.querySelectorAll("#services dl div")].map((d) => [d.children[0].textContent, d.children[1].textContent]))`,
		&counts)
	if diff := cmp.Diff(map[string]string{"Orders paid": "1,234", "Keys waiting": "56", "Dead letters": "0"}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	want := []band{{"closed", 0, 0.5}, {"half-open", 0.75, 0}, {"half-open", 1 - 1.0/120, 1.0 / 120}, {"open", 0.5, 0.25}, {"open", 0.75, 0.25 - 1.0/120}}
	got := p.bands()
	for i := range got {
		if i >= len(want) || got[i].State != want[i].State || math.Abs(got[i].X-want[i].X) > 0.01 || math.Abs(got[i].Wide-want[i].Wide) > 0.01 || got[i].Wide == 0 {
			t.Errorf("band %d is %+v, want about %+v", i, got[i], want[min(i, len(want)-1)])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d bands, want %d", len(got), len(want))
	}
	s.set(func(s *shop) { s.services = `{"breaker":"ajar"}` })
	p.pass(3 * time.Second)
	p.check("#state", "Away")
}

func testNoServices(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	p.pass(10 * time.Second)
	var hidden bool
	p.evaluate(`document.getElementById("services").hidden`, &hidden)
	s.mu.Lock()
	asked := s.asked["/api/services"]
	s.mu.Unlock()
	if !hidden || asked != 1 {
		t.Errorf("the services are hidden: %v, and were asked for %d times", hidden, asked)
	}
	p.checkQuiet(s)
}

// provider takes payments while it is there.
type provider struct {
	mu      sync.Mutex
	away    bool
	charged map[string]int
}

func (p *provider) charge(_ context.Context, payment services.TakePayment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return fmt.Errorf("connection refused: %w", carillon.ErrUnavailable)
	}
	p.charged[payment.OrderID]++
	return nil
}

func (p *provider) set(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// testOutageOfPayments runs the shop with its services, and has the provider of payments go away and come back: the page shows it, orders
// are accepted all the time, none is parked, and in the end each is paid once.
func testOutageOfPayments(t *testing.T, b *browser) {
	money := &provider{charged: make(map[string]int)}
	charging := services.NewCharging(money.charge, middleware.StaysOpen(300*time.Millisecond))
	service, server := business.New(memory.Volatile(), "127.0.0.1:0",
		append(services.All(services.NewTopics()), charging.Part(), business.Report(charging.Status), app.LogTo(slog.New(slog.DiscardHandler)))...)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	running, err := service.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address, err := server.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	placed := 0
	place := func(count int) {
		t.Helper()
		for range count {
			placed++
			order := business.PlaceOrder{Document: business.Document{
				ID: fmt.Sprint("order-", placed), Country: "France", Lines: []business.Line{{StockCode: "A", Quantity: 1, UnitPrice: 2500}},
			}}
			if _, err := running.Bus.Send(t.Context(), order); err != nil {
				t.Fatalf("an order is not accepted: %v", err)
			}
		}
	}
	p := visit(t, b, &shop{url: "http://" + address}, 1200)
	until := func(what string, holds func() bool) {
		t.Helper()
		for began := time.Now(); !holds(); p.pass(time.Second) {
			if time.Since(began) > patience {
				t.Fatalf("the page does not show %s: %s, waiting %s, paid %s, dead letters %s", what, p.text("#breaker-summary"),
					p.text("[data-status=waiting_keys]"), p.text("[data-status=paid]"), p.text("[data-status=dead_letters]"))
			}
		}
	}
	const closed, open = "Payments are taken. The circuit breaker is closed", "Payments are away: orders are accepted and wait. The circuit breaker is open"
	shows := func(prefix string) bool {
		return len(p.text("#breaker-summary")) > len(prefix) && p.text("#breaker-summary")[:len(prefix)] == prefix
	}

	place(20)
	until("20 payments", func() bool { return shows(closed) && p.text("[data-status=paid]") == "20" })
	money.set(true)
	place(30)
	until("the outage", func() bool { return shows(open) && p.text("[data-status=waiting_keys]") == "30" })
	place(10)
	until("more keys that wait", func() bool { return p.text("[data-status=waiting_keys]") == "40" })
	p.check("[data-status=paid]", "20")
	p.check("[data-status=dead_letters]", "0")
	money.set(false)
	until("recovery", func() bool {
		return shows(closed) && p.text("[data-status=paid]") == "60" && p.text("[data-status=waiting_keys]") == "0"
	})
	p.check("[data-status=dead_letters]", "0")
	states := map[string]bool{}
	for _, band := range p.bands() {
		states[band.State] = true
	}
	if !states["closed"] || !states["open"] || !states["half-open"] {
		t.Errorf("the strip shows %v", states)
	}
	for order, times := range money.charged {
		if times != 1 {
			t.Errorf("%s was charged %d times", order, times)
		}
	}
	if len(money.charged) != placed {
		t.Errorf("%d of %d orders were charged", len(money.charged), placed)
	}
	p.checkQuiet(&shop{url: "http://" + address})
}
