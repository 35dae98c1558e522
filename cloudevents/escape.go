package cloudevents

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
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
