package page_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/page"
)

const (
	summary = `{"orders":12345,"cancelled":1,"credit_notes":38,"adjustments":3,"write_offs":13,"lines":1234567,"net":"103277.544",` +
		`"guest_net":"-1447.6","customers":4372,"products":4070,"countries":38,"days":4}`
	days = `[{"day":"2010-12-01","orders":12200,"net":"58635.560"},{"day":"2010-12-02","orders":144,"net":"46207.28"},` +
		`{"day":"2010-12-05","orders":0,"net":"-1566.23"},{"day":"2012-02-29","orders":1,"net":"0.934"}]`
)

// shop is the page with canned reports beside it.
type shop struct {
	url string

	mu            sync.Mutex
	summary, days string
	services      string // empty where none run
	status        int    // of reports; 0 drops the connection
	asked         map[string]int
	unexpected    []string
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{summary: summary, days: days, status: http.StatusOK, asked: map[string]int{}}
	files := page.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked[r.URL.Path]++
		switch r.URL.Path {
		case "/", "/style.css", "/app.js", "/chart.js", "/breaker.js", "/text.js":
			files.ServeHTTP(w, r)
		case "/api/reports/summary":
			s.report(w, s.summary)
		case "/api/reports/days":
			s.report(w, s.days)
		case "/api/services":
			if s.services == "" && s.status == http.StatusOK {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			s.report(w, s.services)
		default:
			s.unexpected = append(s.unexpected, r.URL.Path)
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *shop) report(w http.ResponseWriter, text string) {
	if s.status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.status)
	_, _ = w.Write([]byte(text)) // a browser that has gone is no failure
}

// set changes what the shop answers.
func (s *shop) set(change func(s *shop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// count returns how often a report was asked for.
func (s *shop) count(report string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked["/api/reports/"+report]
}

// visit opens the page and lets two seconds pass on its clock.
func visit(t *testing.T, b *browser, s *shop, width int) *tab {
	t.Helper()
	p := b.open(t)
	p.do("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	p.do("Page.navigate", map[string]any{"url": s.url + "/"}, nil)
	p.pass(2 * time.Second)
	return p
}

// text returns the text of the first element that a selector finds.
func (p *tab) text(selector string) string {
	p.t.Helper()
	var text string
	p.evaluate(fmt.Sprintf("document.querySelector(%q).textContent", selector), &text)
	return text
}

func (p *tab) check(selector, want string) {
	p.t.Helper()
	if got := p.text(selector); got != want {
		p.t.Errorf("%s reads %q, want %q", selector, got, want)
	}
}

// checkQuiet checks that the page asked its own server alone, for nothing that is not there, and that the console is empty.
func (p *tab) checkQuiet(s *shop) {
	p.t.Helper()
	requests, complaints := p.take()
	if len(requests) == 0 {
		p.t.Error("no request was seen, so none can be judged")
	}
	for _, url := range requests {
		if !strings.HasPrefix(url, s.url+"/") && !strings.HasPrefix(url, "data:") {
			p.t.Errorf("a request left the server: %s", url)
		}
	}
	for _, complaint := range complaints {
		p.t.Errorf("on the console: %s", complaint)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range s.unexpected {
		p.t.Errorf("unexpected request for %s", path)
	}
}

func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the browser is driven through inherited pipes, which Windows has not")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("REQUIRE_BACKENDS") == "1" {
			t.Fatal("no chromium on PATH, and REQUIRE_BACKENDS=1 asks for it")
		}
		t.Skip("no chromium on PATH")
	}
	b := startBrowser(t, program)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *browser)
	}{
		{"totals", testTotals},
		{"bars", testBars},
		{"exact figures and a chart that catches up", testCatchUp},
		{"few requests", testFewRequests},
		{"cursor", testCursor},
		{"table", testTable},
		{"server away", testAway},
		{"server in error", testInError},
		{"out of sight", testOutOfSight},
		{"empty shop", testEmpty},
		{"narrow", testNarrow},
		{"breaker", testBreaker},
		{"no services", testNoServices},
		{"outage of payments", testOutageOfPayments},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, b) })
	}
}

func testTotals(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	p.check("#state", "Live")
	p.check("#net", "£103,277.544")
	p.check("#guests", "−£1,447.60 of it is from guests.")
	var counts map[string]string
	p.evaluate(`Object.fromEntries([...document.querySelectorAll("[aria-labelledby=totals-title] dl div")].map((d) => [d.children[0].textContent, d.children[1].textContent]))`,
		&counts)
	want := map[string]string{
		"Orders": "12,345", "Cancelled": "1", "Credit notes": "38", "Adjustments": "3", "Write-offs": "13", "Lines": "1,234,567",
		"Customers": "4,372", "Products": "4,070", "Countries": "38", "Days with trade": "4",
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	var links []string
	p.evaluate(`[...document.querySelectorAll("nav a")].map((a) => a.getAttribute("href"))`, &links)
	if diff := cmp.Diff([]string{"/docs", "/openapi.json"}, links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	p.checkQuiet(s)
}

func testBars(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	var bars []struct{ X, Y, Width, Height float64 }
	p.evaluate(`[...document.querySelectorAll("rect.bar")].map(({x, y, width, height}) =>
		({x: x.baseVal.value, y: y.baseVal.value, width: width.baseVal.value, height: height.baseVal.value}))`, &bars)
	if len(bars) != 4 {
		t.Fatalf("%d bars, want one for each of 4 days", len(bars))
	}
	var zero float64
	p.evaluate(`document.querySelector(".zero").y1.baseVal.value`, &zero)
	perPound := bars[0].Height / 58635.560
	for i, net := range []float64{58635.560, 46207.28, -1566.23} {
		if want := math.Abs(net) * perPound; math.Abs(bars[i].Height-want) > 0.5 {
			t.Errorf("bar %d is %.1f high, want %.1f", i, bars[i].Height, want)
		}
		if end := bars[i].Y + bars[i].Height; net > 0 && math.Abs(end-zero) > 0.5 {
			t.Errorf("bar %d ends at %.1f, want at zero, %.1f", i, end, zero)
		}
	}
	if math.Abs(bars[2].Y-zero) > 0.5 {
		t.Errorf("the bar of a negative day begins at %.1f, want at zero, %.1f", bars[2].Y, zero)
	}
	if bars[3].Height < 1 {
		t.Errorf("the bar of a day with little trade is %.2f high, want it visible", bars[3].Height)
	}
	next, gap, cut := bars[1].X-bars[0].X, bars[2].X-bars[1].X, bars[3].X-bars[2].X
	if math.Abs(gap-3*next) > 0.5 || cut > 20*next {
		t.Errorf("days lie %.1f, %.1f and %.1f apart, want the second three times the first and the third cut short", next, gap, cut)
	}
	p.check("#chart-summary", "4 days with trade, 1 December 2010 to 29 February 2012. "+
		"The best was 1 December 2010: £58,635.560, 12,200 orders. Longer gaps are cut short at the dotted lines.")
	for selector, want := range map[string]int{".below": 1, ".break": 1, "#chart svg[role=img][aria-labelledby]": 1} {
		var found int
		p.evaluate(fmt.Sprintf("document.querySelectorAll(%q).length", selector), &found)
		if found != want {
			t.Errorf("%d of %s, want %d", found, selector, want)
		}
	}
	p.checkQuiet(s)
}

// The days may be folded later than the totals, whose figures are beyond what a floating-point number holds.
func testCatchUp(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	s.set(func(s *shop) {
		s.summary = strings.NewReplacer("103277.544", "9007199254740993.001", `"orders":12345`, `"orders":12346`, `"days":4`, `"days":5`).
			Replace(s.summary)
	})
	p.pass(4 * time.Second)
	p.check("#net", "£9,007,199,254,740,993.001")
	asked := s.count("days")
	if asked < 2 {
		t.Fatalf("the days were asked for %d times, want again after the totals changed", asked)
	}
	s.set(func(s *shop) {
		s.days = strings.Replace(s.days, "]", `,{"day":"2012-03-01","orders":1,"net":"9007199254637715.457"}]`, 1)
	})
	p.pass(4 * time.Second)
	p.check("#chart-summary", "5 days with trade, 1 December 2010 to 1 March 2012. "+
		"The best was 1 March 2012: £9,007,199,254,637,715.457, 1 order. Longer gaps are cut short at the dotted lines.")
	asked = s.count("days")
	p.pass(20 * time.Second)
	if again := s.count("days") - asked; again != 0 {
		t.Errorf("the days were asked for %d times more although they add up to the totals", again)
	}
	p.checkQuiet(s)
}

func testFewRequests(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	before := s.count("summary")
	p.pass(30 * time.Second)
	if asked := s.count("summary") - before; asked < 25 || asked > 31 {
		t.Errorf("the totals were asked for %d times in 30 seconds, want about once a second", asked)
	}
	if asked := s.count("days"); asked != 1 {
		t.Errorf("the days were asked for %d times although nothing changed", asked)
	}
	s.set(func(s *shop) { s.summary = strings.Replace(s.summary, `"orders":12345`, `"orders":12346`, 1) })
	p.pass(30 * time.Second)
	if asked := s.count("days") - 1; asked < 7 || asked > 11 {
		t.Errorf("the days were asked for %d times in 30 seconds while they were behind, want about every three seconds", asked)
	}
	p.checkQuiet(s)
}

func testCursor(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	const cursor = `document.getElementById("chart-cursor")`
	shown := func(want bool) {
		t.Helper()
		var hidden bool
		p.evaluate(`document.getElementById("chart-tip").hidden`, &hidden)
		if hidden == want {
			t.Errorf("the tip is hidden: %v, want %v", hidden, !want)
		}
	}
	shown(false)
	p.evaluate(cursor+".focus()", nil)
	shown(true)
	p.check("#chart-tip", "Wednesday 29 February 2012£0.9341 order")
	p.press("Home")
	p.check("#chart-tip", "Wednesday 1 December 2010£58,635.56012,200 orders")
	p.press("ArrowRight")
	p.press("ArrowRight")
	p.check("#chart-tip", "Sunday 5 December 2010−£1,566.230 orders")
	var spoken string
	p.evaluate(cursor+`.getAttribute("aria-valuetext")`, &spoken)
	if want := "Sunday 5 December 2010, −£1,566.23, 0 orders"; spoken != want {
		t.Errorf("the cursor says %q, want %q", spoken, want)
	}
	p.press("Escape")
	shown(false)

	var at struct{ X, Y float64 }
	p.evaluate(`(({x, y, width}) => ({x: x + width / 2, y: y - 20}))(document.querySelectorAll(".bar")[1].getBoundingClientRect())`, &at)
	p.do("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": at.X, "y": at.Y}, nil)
	p.check("#chart-tip", "Thursday 2 December 2010£46,207.28144 orders")
	p.do("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": 1, "y": 1}, nil)
	shown(false)

	p.do("Emulation.setTouchEmulationEnabled", map[string]any{"enabled": true}, nil)
	p.do("Input.dispatchTouchEvent", map[string]any{"type": "touchStart", "touchPoints": []any{map[string]any{"x": at.X, "y": at.Y}}}, nil)
	p.do("Input.dispatchTouchEvent", map[string]any{"type": "touchEnd", "touchPoints": []any{}}, nil)
	p.pass(time.Second)
	shown(true)
	p.check("#chart-tip", "Thursday 2 December 2010£46,207.28144 orders")
	p.checkQuiet(s)
}

func testTable(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	p.evaluate(`document.querySelector("summary").click()`, nil)
	p.pass(time.Second)
	var rows [][]string
	p.evaluate(`[...document.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent))`, &rows)
	want := [][]string{
		{"1 December 2010", "12,200", "£58,635.560"},
		{"2 December 2010", "144", "£46,207.28"},
		{"5 December 2010", "0", "−£1,566.23"},
		{"29 February 2012", "1", "£0.934"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	p.checkQuiet(s)
}

func testAway(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	p.checkQuiet(s)
	s.set(func(s *shop) { s.status = 0 })
	p.pass(15 * time.Second)
	p.check("#state", "Away")
	notice := p.text("#notice")
	if !strings.HasPrefix(notice, "The server does not answer. The figures are from ") {
		t.Errorf("the notice reads %q", notice)
	}
	p.check("#net", "£103,277.544")
	s.set(func(s *shop) {
		s.status = http.StatusOK
		s.summary = strings.Replace(s.summary, `"cancelled":1`, `"cancelled":2`, 1)
	})
	p.pass(6 * time.Second)
	p.check("#state", "Live")
	p.check("#notice", "")
	p.check("[data-count=cancelled]", "2")
	before := s.count("summary")
	p.pass(10 * time.Second)
	if asked := s.count("summary") - before; asked < 8 {
		t.Errorf("the totals were asked for %d times in 10 seconds after the server was back, want about once a second", asked)
	}
}

func testInError(t *testing.T, b *browser) {
	s := openShop(t)
	s.set(func(s *shop) { s.status = http.StatusServiceUnavailable })
	p := visit(t, b, s, 1200)
	p.check("#notice", "The server answers with an error (503). This page tries again by itself.")
	p.check("#net", "…")
	s.set(func(s *shop) { s.status, s.summary = http.StatusOK, `{"net":"<b>1</b>"}` })
	p.pass(6 * time.Second)
	p.check("#notice", "The server's answer makes no sense to this page. This page tries again by itself.")
	s.set(func(s *shop) { s.summary = summary })
	p.pass(6 * time.Second)
	p.check("#state", "Live")
	p.check("#net", "£103,277.544")
	s.set(func(s *shop) {
		s.summary, s.days = strings.Replace(s.summary, `"cancelled":1`, `"cancelled":2`, 1), `{"net":1}`
	})
	p.pass(5 * time.Second)
	for range 15 {
		p.check("#state", "Away") // the totals alone do not make the page live
		p.pass(700 * time.Millisecond)
	}
}

func testOutOfSight(t *testing.T, b *browser) {
	s := openShop(t)
	p := visit(t, b, s, 1200)
	hide := func(hidden bool) {
		t.Helper()
		p.evaluate(fmt.Sprintf(`Object.defineProperty(document, "hidden", {value: %v, configurable: true});
			document.dispatchEvent(new Event("visibilitychange"))`, hidden), nil)
	}
	hide(true)
	before := s.count("summary")
	p.pass(20 * time.Second)
	if asked := s.count("summary") - before; asked != 0 {
		t.Errorf("the totals were asked for %d times while the page was out of sight", asked)
	}
	hide(false)
	p.pass(5500 * time.Millisecond)
	if asked := s.count("summary") - before; asked < 5 || asked > 7 {
		t.Errorf("the totals were asked for %d times in the 5.5 seconds after, want at once and then once a second", asked)
	}
	p.checkQuiet(s)
}

func testEmpty(t *testing.T, b *browser) {
	s := openShop(t)
	s.set(func(s *shop) {
		s.summary = `{"orders":0,"cancelled":0,"credit_notes":0,"adjustments":0,"write_offs":0,"lines":0,"net":"0.00",` +
			`"guest_net":"0.00","customers":0,"products":0,"countries":0,"days":0}`
		s.days = "[]"
	})
	p := visit(t, b, s, 1200)
	p.check("#net", "£0.00")
	p.check("#chart-summary", "No trade yet. Place an order or import a file, and it shows here by itself.")
	var hidden bool
	p.evaluate(`document.getElementById("chart").hidden`, &hidden)
	if !hidden {
		t.Error("a chart without days is shown")
	}
	s.set(func(s *shop) { s.summary, s.days = summary, days })
	p.pass(5 * time.Second)
	var bars int
	p.evaluate(`document.querySelectorAll(".bar").length`, &bars)
	if bars != 4 {
		t.Errorf("%d bars after the first trade, want 4", bars)
	}
	p.checkQuiet(s)
}

func testNarrow(t *testing.T, b *browser) {
	s := openShop(t)
	s.set(func(s *shop) { s.summary = strings.Replace(s.summary, "103277.544", "-9007199254740993.001", 1) })
	p := visit(t, b, s, 360)
	p.check("#net", "−£9,007,199,254,740,993.001")
	var wide float64
	p.evaluate("document.documentElement.scrollWidth", &wide)
	if wide > 360 {
		t.Errorf("the page is %.0f wide in a window of 360", wide)
	}
	p.checkQuiet(s)
}
