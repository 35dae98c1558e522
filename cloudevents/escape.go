package cloudevents

import (
	"net/url"
	"strings"
)

// Escape writes an attribute's value as the HTTP and NATS bindings want it in a header: printable ASCII without space, quote and
// percent, everything else as percent and two digits for each byte of its UTF-8.
func Escape(value string) string {
	const digits = "0123456789ABCDEF"
	if !strings.ContainsFunc(value, func(r rune) bool { return escaped(r) }) {
		return value
	}
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; escaped(rune(c)) {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func escaped(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '%' }

// Unescape reads what [Escape] wrote. What is no escape stands for itself.
func Unescape(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	text, err := url.PathUnescape(value)
	if err != nil {
		return value
	}
	return text
}
