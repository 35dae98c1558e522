// Package page is the shop's index page: the live totals, one chart of sales by day, and where the services run how payments fare. Its
// files are embedded and load nothing
// from the network; what it shows comes from the shop's own reports.
//
// Read index.html for what is there, app.js for how it stays up to date, chart.js and breaker.js for the drawings and text.js for how figures are
// written.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"
)

//go:embed index.html style.css app.js chart.js breaker.js text.js
var embedded embed.FS

// policy lets the page load its own files and ask its own server, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"frame-ancestors 'none'; base-uri 'none'"

// file is one file of the page, ready to serve.
type file struct {
	contentType string
	tag         string
	content     []byte
}

// Handler serves the page at / and its files beside it, to GET and HEAD. Every other path is not found. Browsers keep the files and
// ask each time whether they have changed. It is safe for concurrent use.
func Handler() http.Handler {
	files := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		f, found := files[r.URL.Path]
		switch {
		case !found:
			http.NotFound(w, r)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		header.Set("Content-Type", f.contentType)
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", f.tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	})
}

// load returns the page's files by the path they are served at.
func load() map[string]file {
	const script = "text/javascript; charset=utf-8"
	return map[string]file{
		"/":           read("index.html", "text/html; charset=utf-8"),
		"/style.css":  read("style.css", "text/css; charset=utf-8"),
		"/app.js":     read("app.js", script),
		"/chart.js":   read("chart.js", script),
		"/breaker.js": read("breaker.js", script),
		"/text.js":    read("text.js", script),
	}
}

// read returns an embedded file. Its tag names its content.
func read(name, contentType string) file {
	content, err := embedded.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("page: %s is not embedded: %v", name, err))
	}
	sum := sha256.Sum256(content)
	return file{contentType: contentType, tag: `"` + hex.EncodeToString(sum[:16]) + `"`, content: content}
}
