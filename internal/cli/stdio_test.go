package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestPrintableShowsWhatATerminalWouldActOn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"plain", `Größe 7" £ 日本 \n`, `Größe 7" £ 日本 \n`},
		{"empty", "", ""},
		{"white space", "a\tb\r\nc", `a\tb\r\nc`},
		{"escape sequence", "\x1b[2J\x1b]0;title\a", `\u001b[2J\u001b]0;title\u0007`},
		{"NUL and DEL", "a\x00b\x7f", `a\u0000b\u007f`},
		{"C1 control", "\u009b31m", `\u009b31m`},
		{"direction", "user\u202egnp.exe", `user\u202egnp.exe`},
		{"tag character", "\U000e0041", `\U000e0041`},
		{"bytes that are no text", "a\xff\xc3(", `a\xff\xc3(`},
		{"replacement character", "a\ufffdb\x01", "a\ufffdb" + `\u0001`},
	} {
		if got := printable(test.text); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestReadingStandardInputEndsWithTheContext(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	defer write.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&stdio{in: read}).readAll(ctx, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if (&printer{to: file}).isTerminal() || (&printer{to: io.Discard}).isTerminal() {
		t.Error("taken for a terminal")
	}
}
