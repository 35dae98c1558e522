package cloudevents

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Escape writes an attribute's value as the HTTP and NATS bindings want it in a header: printable ASCII without space, quote and
// percent, everything else as percent and two digits for each byte of its UTF-8.
func Escape(value string) string { return EscapeFunc(value, escaped) }

func escaped(c byte) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '%' }

// EscapeFunc writes the bytes of a value that a function names, percent among them, as percent and two digits each. [Unescape] reads it.
func EscapeFunc(value string, escaped func(c byte) bool) string {
	const digits = "0123456789ABCDEF"
	first := 0
	for first < len(value) && !escaped(value[first]) {
		first++
	}
	if first == len(value) {
		return value
	}
	var b strings.Builder
	b.WriteString(value[:first])
	for _, c := range []byte(value[first:]) {
		if escaped(c) {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Unescape reads what [Escape] or [EscapeFunc] wrote. What is no escape stands for itself.
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

// HeaderValue reads an attribute's value from a header of the HTTP and NATS bindings: what [Escape] wrote, and the quoted strings of
// senders that keep an older version of them. A value that is no UTF-8, or does not stand for any, is refused.
func HeaderValue(value string) (string, error) {
	value = strings.Trim(value, " \t")
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = unquote(value[1 : len(value)-1])
	}
	if text := Unescape(value); utf8.ValidString(text) {
		return text, nil
	}
	return "", errors.New("its value is UTF-8 text")
}

// unquote removes the backslashes of a quoted string.
func unquote(quoted string) string {
	if !strings.Contains(quoted, `\`) {
		return quoted
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		if quoted[i] == '\\' && i+1 < len(quoted) {
			i++
		}
		b.WriteByte(quoted[i])
	}
	return b.String()
}
