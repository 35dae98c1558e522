package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestABarShowsAndGoes(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	bar := newBar(&screen, 200)
	shown := make(chan struct{}, 1)
	stop := bar.every(func() {
		bar.show(100, "12 invoices")
		bar.show(200, "25 invoices")
		select {
		case shown <- struct{}{}:
		default:
		}
	})
	<-shown
	stop()
	text := screen.String()
	for _, want := range []string{"49% |", "12 invoices", "99% |", "25 invoices"} {
		if !strings.Contains(text, want) {
			t.Errorf("the screen lacks %q: %q", want, text)
		}
	}
	if frames := strings.Split(strings.TrimRight(text, "\r"), "\r"); strings.TrimSpace(frames[len(frames)-1]) != "" {
		t.Errorf("the bar stays: %q", frames[len(frames)-1])
	}
	if strings.ContainsRune(text, '\x1b') {
		t.Errorf("colours or escape sequences: %q", text)
	}
}

func TestABarWithoutATotalSpins(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	bar := newBar(&screen, 0)
	shown := make(chan struct{}, 1)
	stop := bar.every(func() {
		bar.show(4096, "12 invoices")
		select {
		case shown <- struct{}{}:
		default:
		}
	})
	<-shown
	stop()
	if text := screen.String(); !strings.Contains(text, "12 invoices") || strings.Contains(text, "%") {
		t.Errorf("got %q", text)
	}
}

func TestNobodyWatchesNoBar(t *testing.T) {
	t.Parallel()
	bar := newProgress(&printer{to: io.Discard}, 100)
	bar.show(50, "half")
	bar.every(func() { t.Error("updated") })()
}
