package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon"
)

// The headers requests and answers carry beyond those of HTTP.
const (
	// HeaderPosition holds, in the answer to a command, the position of its last event, in decimal digits. Sent back with a query
	// it has the query wait until its read model has passed that position.
	HeaderPosition = "Carillon-Position"
	// HeaderIdempotencyKey names a command. The same command sent again under the same key is carried out once.
	HeaderIdempotencyKey = "Idempotency-Key"
)

// single returns a header's one value; ok is false when it is not there.
func single(r *http.Request, name string) (value string, ok bool, err error) {
	switch values := r.Header.Values(name); len(values) {
	case 0:
		return "", false, nil
	case 1:
		return strings.TrimSpace(values[0]), true, nil
	default:
		return "", false, problemf(ProblemParameter, "header %s is given %d times", name, len(values))
	}
}

// positionOf reads the position a query waits for, 0 for none.
func positionOf(r *http.Request) (carillon.Position, error) {
	text, ok, err := single(r, HeaderPosition)
	if err != nil || !ok {
		return 0, err
	}
	position, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, problemf(ProblemParameter, "header %s: %q is no position: send back what a command answered", HeaderPosition, text)
	}
	return carillon.Position(position), nil
}

// idempotencyKey reads the key of a command, empty for none. Quotes, which the header's draft standard asks for, are no part of it.
func idempotencyKey(r *http.Request) (string, error) {
	text, ok, err := single(r, HeaderIdempotencyKey)
	if err != nil || !ok {
		return "", err
	}
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	if err := carillon.CheckID(text); err != nil {
		return "", problemf(ProblemParameter, "header %s: %s", HeaderIdempotencyKey, rule(err))
	}
	return text, nil
}

// rule is the rule an [carillon.InvalidError] names.
func rule(err error) string {
	if broken, ok := errors.AsType[*carillon.InvalidError](err); ok {
		return broken.Rule
	}
	return err.Error()
}

// expectedVersion reads the version a command was made for: If-Match: "3", or If-None-Match: * for none at all. It is -1 when the
// command is for any.
func expectedVersion(r *http.Request) (int64, error) {
	tag, matches, err := single(r, "If-Match")
	if err != nil {
		return 0, err
	}
	none, absent, err := single(r, "If-None-Match")
	switch {
	case err != nil:
		return 0, err
	case matches && absent:
		return 0, problemf(ProblemParameter, "If-Match and If-None-Match contradict each other")
	case absent && none == "*":
		return 0, nil
	case absent:
		return 0, problemf(ProblemParameter, "header If-None-Match: a command takes * alone, for what must not be there yet")
	case !matches:
		return -1, nil
	}
	version, err := versionOf(tag)
	if err != nil {
		return 0, problemf(ProblemParameter, `header If-Match: %s is not one version in quotes, such as "3"`, tag)
	}
	return version, nil
}

func versionOf(tag string) (int64, error) {
	text, opened := strings.CutPrefix(tag, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	if !opened || !closed {
		return 0, strconv.ErrSyntax
	}
	version, err := strconv.ParseUint(text, 10, 63)
	return int64(version), err
}

func tagOf(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// unchanged reports whether the sender has the row of a tag already.
func unchanged(r *http.Request, tag string) bool {
	for _, list := range r.Header.Values("If-None-Match") {
		for candidate := range strings.SplitSeq(list, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || tag != "" && strings.TrimPrefix(candidate, "W/") == tag {
				return true
			}
		}
	}
	return false
}
