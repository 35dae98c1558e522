package simulation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// trace is what happened, with the time since the beginning.
type trace struct{ lines []line }

type line struct {
	at   time.Duration
	text string
}

func (t *trace) add(at time.Duration, text string) { t.lines = append(t.lines, line{at, text}) }

// sorted puts the trace in order of time. What goroutines did at one moment side by side stands in order of its text.
func (t *trace) sorted() []line {
	return slices.SortedFunc(slices.Values(t.lines), func(a, b line) int {
		return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.text, b.text))
	})
}

// hash identifies the trace.
func (t *trace) hash() string {
	sum := sha256.New()
	for _, l := range t.sorted() {
		fmt.Fprintf(sum, "%d %s\n", l.at, l.text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

// last returns the end of the trace, at most so many lines.
func (t *trace) last(lines int) string {
	sorted := t.sorted()
	var text strings.Builder
	for _, l := range sorted[max(0, len(sorted)-lines):] {
		fmt.Fprintf(&text, "%14.9f %s\n", l.at.Seconds(), l.text)
	}
	return text.String()
}
