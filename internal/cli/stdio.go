package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
)

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err *printer
}

// readAll reads standard input to its end, or so many bytes of it, or until the context ends.
func (s *stdio) readAll(ctx context.Context, limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() { // a read cannot be broken off: it is left behind
		data, err := io.ReadAll(io.LimitReader(s.in, limit))
		read <- result{data, err}
	}()
	select {
	case r := <-read:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// printer writes until a write fails and keeps that error, so that a command looks at it once. It is safe for concurrent use.
type printer struct {
	to io.Writer

	mu  sync.Mutex
	err error
}

// Write writes to the underlying writer.
func (p *printer) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.to.Write(data)
	if err != nil {
		p.err = fmt.Errorf("write output: %w", err)
	}
	return n, p.err
}

func (p *printer) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p, format, args...) // kept in p.err
}

// object prints a value as one line of JSON.
func (p *printer) object(value any) error {
	encoder := json.NewEncoder(p)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// failure returns the error of the write that failed, if one did.
func (p *printer) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// isTerminal reports whether somebody watches what is written.
func (p *printer) isTerminal() bool {
	file, ok := p.to.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printable replaces what a terminal would act on instead of showing it: control characters, escape sequences, marks that turn
// the direction of writing, and bytes that are no text.
func printable(text string) string {
	plain := true
	for _, r := range text {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			plain = false
			break
		}
	}
	if plain {
		return text
	}
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(text[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
