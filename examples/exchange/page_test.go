package exchange_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestThePageShowsThePrograms has every piece of Go on the page stand in one of the programs, word for word, and every program on the page.
func TestThePageShowsThePrograms(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/howto/exchange-patterns.md")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Glob("*/main.go")
	if err != nil || len(programs) != 8 {
		t.Fatalf("%d programs, error %v", len(programs), err)
	}
	texts := make(map[string]string)
	for _, program := range programs {
		text, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		texts[program] = string(text)
	}
	shown := make(map[string]bool)
	pieces := strings.Split(string(page), "```go\n")[1:]
	for _, piece := range pieces {
		piece, _, _ = strings.Cut(piece, "```")
		found := false
		for program, text := range texts {
			if strings.Contains(text, piece) {
				shown[program], found = true, true
			}
		}
		if !found {
			t.Errorf("no program has this piece of the page:\n%s", piece)
		}
	}
	programs = slices.DeleteFunc(programs, func(program string) bool { return shown[program] })
	if len(programs) > 0 {
		t.Errorf("the page shows nothing of %v", programs)
	}
}
