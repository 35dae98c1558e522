package cli

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands lists a command and all below it.
func commands(root *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{root}
	for _, child := range root.Commands() {
		list = append(list, commands(child)...)
	}
	return list
}

func testRoot() *cobra.Command {
	return newRoot(&stdio{in: strings.NewReader(""), out: &printer{to: io.Discard}, err: &printer{to: io.Discard}})
}

func TestEveryCommandExplainsItselfWithAnExample(t *testing.T) {
	t.Parallel()
	for _, command := range commands(testRoot()) {
		path := command.CommandPath()
		switch {
		case command.Short == "" || command.Long == "" || command.Example == "":
			t.Errorf("%s lacks a short line, a long text or an example", path)
		case strings.HasSuffix(command.Short, "."):
			t.Errorf("%s: its short line is no sentence and has no full stop: %q", path, command.Short)
		}
		for line := range strings.Lines(command.Long) {
			if len(line) > 121 {
				t.Errorf("%s: a line of its help has %d bytes: %s", path, len(line), line)
			}
		}
		args := strings.Fields(path)[1:]
		help := mustRun(t, append(args, "--help")...)
		if other := mustRun(t, append([]string{"help"}, args...)...); other != help {
			t.Errorf("help %s and %s --help differ", strings.Join(args, " "), path)
		}
		if !strings.Contains(help, command.Example) {
			t.Errorf("%s --help has no example", path)
		}
	}
}

func TestExamplesAreCommandLines(t *testing.T) {
	t.Parallel()
	for _, documented := range commands(testRoot()) {
		for line := range strings.Lines(documented.Example) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "carillon ")
			if !ok {
				t.Errorf("%s: its example is no command line: %s", documented.CommandPath(), line)
				continue
			}
			command, _, _ = strings.Cut(command, " > ")
			command, _, _ = strings.Cut(command, " < ")
			args, _ := words(t, command)
			target, rest, err := testRoot().Find(args)
			if err == nil {
				err = target.ParseFlags(rest)
			}
			if err == nil {
				err = target.ValidateArgs(target.Flags().Args())
			}
			if err != nil || target.HasSubCommands() {
				t.Errorf("%s: example %q runs %s: %v", documented.CommandPath(), line, target.CommandPath(), err)
			}
			if !strings.HasPrefix(target.CommandPath(), documented.CommandPath()) && documented.Name() != "help" {
				t.Errorf("%s: its example is one of %s", documented.CommandPath(), target.CommandPath())
			}
		}
	}
}

func TestGroupsPrintTheirHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, nil, {"log"}, {"stream"}, {"projection"}, {"deadletter"}} {
		r := run(t, args...)
		if r.status != StatusOK || !strings.Contains(r.stdout, "Available Commands:") || r.stderr != "" {
			t.Errorf("carillon %s: exit %d, %s%s", strings.Join(args, " "), r.status, r.stdout, r.stderr)
		}
	}
}

// full is a device without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "log.db")
	mustRun(t, "log", "append", "--store", store, "--type", "noted")
	for _, args := range [][]string{
		{"log", "read", "--store", store},
		{"log", "read", "--store", store, "--json"},
		{"projection", "list", "--store", store},
		{"deadletter", "list", "--store", store},
		{"describe"},
		{"version", "--json"},
		{"--help"},
	} {
		var stderr strings.Builder
		status := Run(t.Context(), args, strings.NewReader(""), full{}, &stderr)
		if want := "carillon: write output: no space left on device\n"; status != StatusFailure || stderr.String() != want {
			t.Errorf("carillon %s: exit %d, %q", strings.Join(args, " "), status, stderr.String())
		}
	}
}

func TestAnInterruptedCommandSaysSo(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "log.db")
	mustRun(t, "log", "append", "--store", store, "--type", "noted")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"log", "read"},
		{"stream", "list"},
		{"projection", "list"},
		{"projection", "rebuild", "totals"},
		{"deadletter", "list"},
		{"deadletter", "retry", "--all"},
	} {
		var stdout, stderr strings.Builder
		status := Run(ctx, append(args, "--store", store), strings.NewReader(""), &stdout, &stderr)
		if status != StatusFailure || stderr.String() != "carillon: interrupted\n" || stdout.Len() > 0 {
			t.Errorf("carillon %s: exit %d, %q", strings.Join(args, " "), status, stderr.String())
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	t.Parallel()
	err := errors.Join(errors.New("first\r\nsecond"), errors.New("\x1b[31mthird"))
	if got, want := oneLine(err), `first; second; \u001b[31mthird`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
