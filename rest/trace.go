package rest

import (
	"net/http"
	"strings"
)

// traceOf reads W3C trace context. What breaks its rules is left out, as the standard asks, and the request goes on without.
func traceOf(r *http.Request) (parent, state string) {
	parents := r.Header.Values("Traceparent")
	if len(parents) != 1 || !validParent(parents[0]) {
		return "", ""
	}
	state = strings.Join(r.Header.Values("Tracestate"), ",")
	if !validState(state) {
		state = ""
	}
	return parents[0], state
}

// validParent checks version-trace-parent-flags: lower-case hex of 2, 32, 16 and 2 digits. Later versions may go on behind.
func validParent(text string) bool {
	const length = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	if len(text) < length || len(text) > 255 {
		return false
	}
	version, trace, parent, flags := text[:2], text[3:35], text[36:52], text[53:55]
	dashes := text[2] == '-' && text[35] == '-' && text[52] == '-'
	if !dashes || !hex(version) || !hex(trace) || !hex(parent) || !hex(flags) {
		return false
	}
	ends := len(text) == length || version != "00" && text[length] == '-'
	return ends && version != "ff" && strings.Trim(trace, "0") != "" && strings.Trim(parent, "0") != ""
}

func hex(text string) bool {
	return strings.Trim(text, "0123456789abcdef") == ""
}

// validState checks a list of at most 32 key=value members within 512 characters.
func validState(text string) bool {
	if len(text) > 512 {
		return false
	}
	members := 0
	for member := range strings.SplitSeq(text, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, found := strings.Cut(member, "=")
		const keys = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@"
		if members++; members > 32 || !found || key == "" || value == "" || strings.Trim(key, keys) != "" || !printable(value) {
			return false
		}
	}
	return true
}

func printable(value string) bool {
	for i := range len(value) {
		if value[i] < 0x20 || value[i] > 0x7e || value[i] == '=' {
			return false
		}
	}
	return true
}
