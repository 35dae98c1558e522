package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/carillon-go/carillon"
)

const (
	// maxBody is the largest body a request may have, in bytes. No payload may be larger either.
	maxBody = carillon.MaxPayload
	// maxDrain is how much more of a body that is too large is read and thrown away, in bytes, so that its sender gets to read the
	// answer.
	maxDrain = 8 << 20
)

// readBody reads a JSON body, none for a request without one.
func readBody(r *http.Request) ([]byte, error) {
	if err := checkMediaType(r); err != nil {
		return nil, err
	}
	tooLarge := problemf(ProblemTooLarge, "The body has more than %d bytes.", maxBody)
	if r.ContentLength > maxBody+maxDrain {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		_, err = io.Copy(io.Discard, io.LimitReader(r.Body, maxDrain))
		tooLarge.cause = err
		return nil, tooLarge
	}
	if err != nil {
		p := problemf(ProblemMalformed, "The body ends early or comes too slowly.")
		p.cause = err
		return nil, p
	}
	if len(body) > 0 && r.Header.Get("Content-Type") == "" {
		return nil, problemf(ProblemUnsupportedMediaType, "A body needs a Content-Type: application/json.")
	}
	return body, nil
}

func checkMediaType(r *http.Request) error {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return problemf(ProblemUnsupportedMediaType, "A body is sent as it is, without Content-Encoding %s.", coding)
	}
	declared := r.Header.Get("Content-Type")
	if declared == "" {
		return nil
	}
	media, attributes, err := mime.ParseMediaType(declared)
	charset := attributes["charset"]
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || media != "application/json" ||
		charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problemf(ProblemUnsupportedMediaType, "A body is application/json in UTF-8, not %s.", declared)
	}
	return nil
}

// orEmpty reads a missing body as an object without fields.
func orEmpty(body []byte) []byte {
	if len(bytes.TrimSpace(body)) == 0 {
		return []byte("{}")
	}
	return body
}

// invalid is the problem of a body with the wrong content.
func invalid(found []FieldProblem) error {
	what := fmt.Sprintf("%s: %s", found[0].Location, found[0].Message)
	if len(found) > 1 {
		what = fmt.Sprintf("%s, and %d more", what, len(found)-1)
	}
	p := problemf(ProblemInvalid, "%s", what)
	p.Errors = found
	return p
}
