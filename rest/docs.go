package rest

import (
	_ "embed"
	"net/http"
)

// The documentation page. It loads nothing but its own files and the API description.
var (
	//go:embed page/docs.html
	docsHTML []byte
	//go:embed page/docs.js
	docsJS []byte
	//go:embed page/docs.css
	docsCSS []byte
)

const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// serveDocument serves the API description and the page that shows it, once all endpoints are known.
func (s *site) serveDocument() error {
	document, err := s.encodeDocument()
	if err != nil {
		return err
	}
	for _, file := range []struct {
		path, media string
		body        []byte
	}{
		{"/openapi.json", "application/json", document},
		{"/docs", "text/html; charset=utf-8", docsHTML},
		{"/docs/docs.js", "text/javascript; charset=utf-8", docsJS},
		{"/docs/docs.css", "text/css; charset=utf-8", docsCSS},
	} {
		part := Part{kind: "page", name: file.path, add: func(s *site) error {
			return s.handle("GET "+file.path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header := w.Header()
				header.Set("Content-Type", file.media)
				header.Set("Cache-Control", "no-cache")
				header.Set("Content-Security-Policy", docsPolicy)
				s.write(w, r, file.body)
			}))
		}}
		if err := s.add(part); err != nil {
			return err
		}
	}
	return nil
}
