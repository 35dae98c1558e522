package page_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/page"
)

// files are the page's files by the path they are served at.
func files() map[string]string {
	return map[string]string{
		"/": "index.html", "/style.css": "style.css", "/app.js": "app.js", "/chart.js": "chart.js",
		"/breaker.js": "breaker.js", "/text.js": "text.js",
	}
}

func request(method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	t.Parallel()
	contentTypes := map[string]string{
		"/": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/app.js": "text/javascript; charset=utf-8",
		"/chart.js": "text/javascript; charset=utf-8", "/breaker.js": "text/javascript; charset=utf-8",
		"/text.js": "text/javascript; charset=utf-8",
	}
	for path, name := range files() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := request(http.MethodGet, path, nil)
			if got.Code != http.StatusOK {
				t.Errorf("status %d", got.Code)
			}
			if content := got.Body.String(); content != string(want) {
				t.Errorf("served %d bytes, the file has %d", len(content), len(want))
			}
			if contentType := got.Header().Get("Content-Type"); contentType != contentTypes[path] {
				t.Errorf("content type %q, want %q", contentType, contentTypes[path])
			}
			if cache := got.Header().Get("Cache-Control"); cache != "no-cache" {
				t.Errorf("Cache-Control %q", cache)
			}

			head := request(http.MethodHead, path, nil)
			if content := head.Body.String(); head.Code != http.StatusOK || content != "" {
				t.Errorf("HEAD: status %d and %d bytes, want 200 and none", head.Code, len(content))
			}
			if diff := cmp.Diff(got.Header(), head.Header()); diff != "" {
				t.Errorf("HEAD has other headers than GET (-get +head):\n%s", diff)
			}
		})
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	want := http.Header{
		"Content-Security-Policy": {"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
			"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"},
		"X-Content-Type-Options": {"nosniff"},
		"Referrer-Policy":        {"no-referrer"},
	}
	for _, path := range []string{"/", "/style.css", "/app.js", "/nowhere"} {
		got := http.Header{}
		for name := range want {
			got[name] = request(http.MethodGet, path, nil).Header()[name]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestRevalidation(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for path := range files() {
		tag := request(http.MethodGet, path, nil).Header().Get("ETag")
		if !regexp.MustCompile(`^"[0-9a-f]{32}"$`).MatchString(tag) {
			t.Errorf("%s has the tag %s, want a strong one", path, tag)
		}
		if other, taken := seen[tag]; taken {
			t.Errorf("%s and %s have the same tag", path, other)
		}
		seen[tag] = path

		same := request(http.MethodGet, path, http.Header{"If-None-Match": {tag}})
		if content := same.Body.String(); same.Code != http.StatusNotModified || content != "" {
			t.Errorf("%s unchanged: status %d and %d bytes, want 304 and none", path, same.Code, len(content))
		}
		if got := same.Header().Get("ETag"); got != tag {
			t.Errorf("%s unchanged: tag %s, want %s", path, got, tag)
		}
		changed := request(http.MethodGet, path, http.Header{"If-None-Match": {`"another"`}})
		if changed.Code != http.StatusOK {
			t.Errorf("%s changed: status %d, want 200", path, changed.Code)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/nowhere", http.StatusNotFound},
		{http.MethodGet, "/index.html", http.StatusNotFound},
		{http.MethodGet, "/app.js/", http.StatusNotFound},
		{http.MethodGet, "/page.go", http.StatusNotFound},
		{http.MethodGet, "/../page.go", http.StatusNotFound},
		{http.MethodGet, "//", http.StatusNotFound},
		{http.MethodHead, "/favicon.ico", http.StatusNotFound},
		{http.MethodPost, "/nowhere", http.StatusNotFound},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/app.js", http.StatusMethodNotAllowed},
	} {
		got := request(test.method, test.path, nil)
		if got.Code != test.status {
			t.Errorf("%s %s: status %d, want %d", test.method, test.path, got.Code, test.status)
		}
		if allow := got.Header().Get("Allow"); (allow == "GET, HEAD") != (test.status == http.StatusMethodNotAllowed) {
			t.Errorf("%s %s: Allow %q", test.method, test.path, allow)
		}
	}
}

// Mounted below a mux, the page leaves the other routes alone.
func TestMounted(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("GET /", page.Handler())
	mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for path, want := range map[string]int{"/": 200, "/app.js": 200, "/docs": http.StatusTeapot, "/docs/more": 404} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", path, w.Code, want)
		}
	}
}

// What would leave the machine, what the policy would block, and what would read data as markup. Each rule has a text it must find.
func TestFilesAreSelfContained(t *testing.T) {
	t.Parallel()
	// The name of a namespace, which is never loaded.
	const namespace = `xmlns='http://www.w3.org/2000/svg'`
	rules := []struct {
		what, control string
		pattern       *regexp.Regexp
	}{
		{"an address on the network", `fetch("https://example.com")`, regexp.MustCompile(`(?i)\b(https?|wss?|ftp):`)},
		{"an address without a scheme", `<img src="//example.com/a.png">`, regexp.MustCompile(`["'(=]\s*//`)},
		{"a style sheet's address", `@import "a.css"`, regexp.MustCompile(`(?i)@import|url\(`)},
		{"an inline script", `<script type="module">start()</script>`, regexp.MustCompile(`(?i)<script[^>]*>\s*[^<\s]`)},
		{"an inline handler", `<a onclick="start()">`, regexp.MustCompile(`(?i)javascript:|\son[a-z]+\s*=\s*["']`)},
		{"an inline style", `<p style="color: red">`, regexp.MustCompile(`(?i)<style|\sstyle\s*=\s*["']|Attribute\("style"`)},
		{"data as markup", `cell.innerHTML = text`, regexp.MustCompile(`(inner|outer|Adjacent)HTML|document\.write|srcdoc|DOMParser`)},
		{"data as code", `eval(text)`, regexp.MustCompile(`\beval\(|new Function`)},
	}
	for _, rule := range rules {
		if !rule.pattern.MatchString(rule.control) {
			t.Errorf("the rule against %s lets %q pass", rule.what, rule.control)
		}
		for _, name := range files() {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if found := rule.pattern.FindString(strings.ReplaceAll(string(content), namespace, "")); found != "" {
				t.Errorf("%s holds %s: %q", name, rule.what, found)
			}
		}
	}
}
