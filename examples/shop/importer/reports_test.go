package importer_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/importer"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/examples/shop/retail"
)

// running runs a shop over an empty file until the test ends.
func running(t *testing.T) *app.Running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	service, _ := shop.New(sqlite.File(filepath.Join(t.TempDir(), "shop.db")), "")
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	running, err := service.Running(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return running
}

// ask gets a report over HTTP, once every read model has passed a position.
func ask[R any](t *testing.T, handler http.Handler, target, position string) R {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	if position != "" {
		request.Header.Set("Carillon-Position", position)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	var answer R
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusOK {
		t.Fatalf("%s: status %d: %s: %v", target, recorder.Code, recorder.Body, err)
	}
	return answer
}

func TestReportsAddUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "retail.csv")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := retail.Generate(file, 500, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	r := running(t)
	for _, duplicates := range []int{0, want.Invoices()} {
		reader, err := retail.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := importer.Import(t.Context(), r.Bus, reader, importer.RejectsTo(path+".rejects"))
		if err != nil || outcome.Commands != int64(want.Invoices()) || outcome.Duplicates != int64(duplicates) {
			t.Fatalf("got %+v, %v; want %d commands, %d of them duplicates", outcome, err, want.Invoices(), duplicates)
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	head, err := r.Log.Head(t.Context())
	if err != nil || int(head) != want.Invoices() {
		t.Fatalf("the log has %d events, %v; want %d", head, err, want.Invoices())
	}
	if err := r.Projections.WaitAll(t.Context(), head); err != nil {
		t.Fatal(err)
	}
	handler, err := shop.Handler(r)
	if err != nil {
		t.Fatal(err)
	}
	summary := ask[shop.Summary](t, handler, "/api/reports/summary", "")
	if int(summary.Orders) != want.Orders || int(summary.CreditNotes) != want.CreditNotes || int(summary.Adjustments) != want.Adjustments ||
		int(summary.WriteOffs) != want.WriteOffs || int(summary.Lines) != want.Lines || summary.Net != want.Net ||
		int(summary.Countries) != want.Countries || int(summary.Products) != want.Products || int(summary.Customers) != want.Customers {
		t.Errorf("got %+v, want %+v", summary, want)
	}
	var countries, days, products money.Amount
	customers := summary.GuestNet
	for _, row := range ask[[]shop.CountryRow](t, handler, "/api/reports/countries", "") {
		countries += row.Net
	}
	for _, row := range ask[[]shop.DayRow](t, handler, "/api/reports/days", "") {
		days += row.Net
	}
	for _, row := range ask[[]shop.ProductRow](t, handler, "/api/reports/products", "") {
		products += row.Net
	}
	for _, row := range ask[[]shop.CustomerRow](t, handler, "/api/reports/customers", "") {
		customers += row.Net
	}
	for name, sum := range map[string]money.Amount{"countries": countries, "days": days, "products": products, "customers and guests": customers} {
		if sum != want.Net {
			t.Errorf("%s add up to %s, want %s", name, sum, want.Net)
		}
	}
	if top := ask[[]shop.ProductRow](t, handler, "/api/reports/products?top=3&by=units", ""); len(top) != 3 || top[0].Units < top[2].Units {
		t.Errorf("the top three by units are %+v", top)
	}
}

func TestOrdersOverHTTP(t *testing.T) {
	t.Parallel()
	handler, err := shop.Handler(running(t))
	if err != nil {
		t.Fatal(err)
	}
	const order = `{"id":"1","country":"France","customer_id":"7","lines":[{"stock_code":"A","quantity":2,"unit_price":"1.25"}]}`
	position := ""
	for _, step := range []struct {
		name, target, body string
		status             int
		headers            map[string]string
	}{
		{"placed", "/api/orders", order, 201, nil},
		{"placed again", "/api/orders", order, 409, nil},
		{"a negative price", "/api/orders", strings.Replace(order, `"1.25"`, `"-1.25"`, 1), 422, nil},
		{"a price that is no decimal", "/api/orders", strings.Replace(order, `"1.25"`, `"a lot"`, 1), 422, nil},
		{"no lines", "/api/orders", `{"id":"2","country":"France","lines":[]}`, 422, nil},
		{"an unknown field", "/api/orders", `{"id":"2","country":"France","lines":[],"discount":1}`, 422, nil},
		{"cut short", "/api/orders", order[:30], 400, nil},
		{"2 MiB", "/api/orders", `{"id":"` + strings.Repeat("x", 2<<20) + `"}`, 413, nil},
		{"cancelled on a stale version", "/api/orders/1/cancel", "{}", 412, map[string]string{"If-Match": `"9"`}},
		{"cancelled", "/api/orders/1/cancel", `{"reason":"changed my mind"}`, 200, map[string]string{"If-Match": `"1"`}},
		{"cancelled again", "/api/orders/1/cancel", "{}", 409, nil},
		{"an unknown order cancelled", "/api/orders/none/cancel", "{}", 409, nil},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, step.target, strings.NewReader(step.body))
		request.Header.Set("Content-Type", "application/json")
		for name, value := range step.headers {
			request.Header.Set(name, value)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code != step.status {
			t.Errorf("%s: got %d %s, want %d", step.name, recorder.Code, recorder.Body, step.status)
		}
		if recorder.Code >= 400 && !strings.HasPrefix(recorder.Header().Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: the answer is no problem: %s", step.name, recorder.Body)
		}
		if recorder.Code < 300 {
			position = recorder.Header().Get("Carillon-Position")
		}
	}
	row := ask[shop.OrderRow](t, handler, "/api/orders/1", position)
	if row.Status != "cancelled" || row.Reason != "changed my mind" || row.Net.String() != "2.50" {
		t.Errorf("got %+v", row)
	}
	if summary := ask[shop.Summary](t, handler, "/api/reports/summary", position); summary.Orders != 0 || summary.Cancelled != 1 || summary.Net != 0 {
		t.Errorf("the summary after the cancellation: %+v", summary)
	}
}
