package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	// StatusOK: all went well.
	StatusOK = 0
	// StatusFailure: what was asked for could not be done.
	StatusFailure = 1
	// StatusUsage: what was asked for makes no sense.
	StatusUsage = 2
)

// Run carries out one command line, without the program's name, and returns the exit status. It blocks until the command is
// done or the context ends; commands that go on until they are stopped take the end of the context for success.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := &stdio{in: stdin, out: &printer{to: stdout}, err: &printer{to: stderr}}
	root := newRoot(std)
	running := false
	mark(root, &running)
	root.SetArgs(slices.Clone(args)) // nil would mean those of the process
	if args == nil {
		root.SetArgs([]string{})
	}
	root.SetIn(stdin)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(ctx)
	if failure := std.out.failure(); failure != nil {
		err, running = failure, true
	}
	if err == nil {
		return StatusOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	std.err.printf("carillon: %s\n", oneLine(err))
	if !running || isUsage(err) {
		return StatusUsage
	}
	return StatusFailure
}

// mark has every command note that it runs: what fails before is the command line.
func mark(command *cobra.Command, running *bool) {
	if run := command.RunE; run != nil {
		command.RunE = func(command *cobra.Command, args []string) error {
			*running = true
			return run(command, args)
		}
	}
	for _, child := range command.Commands() {
		mark(child, running)
	}
}

func newRoot(std *stdio) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "carillon",
		Short: "Event-sourced services on one file",
		Long: "Carillon runs the example shop, and looks into the log and the read models of any store.\n\n" +
			"Exit status: 0 when all went well, 1 for a failure, 2 for bad usage.",
		Example: "  carillon demo\n" +
			"  carillon log read --store sqlite:shop.db --limit 10",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       moduleVersion(),
	},
		newDemo(std),
		newLog(std),
		newStream(std),
		newProjection(std),
		newDeadLetter(std),
		newDescribe(std),
		newVersion(std),
	)
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return usagef("%s: see %s --help", err, command.CommandPath())
	})
	root.SetHelpCommand(newHelp(root))
	return root
}

// group makes a command that only holds others. By itself it prints its help.
func group(command *cobra.Command, children ...*cobra.Command) *cobra.Command {
	command.Args = cobra.ArbitraryArgs
	command.RunE = func(command *cobra.Command, args []string) error {
		if len(args) == 0 {
			return command.Help()
		}
		return unknownCommand(command, args[0])
	}
	command.AddCommand(children...)
	return command
}

func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Long:    "Prints what a command does, its flags and an example.",
		Example: "  carillon help log read",
		RunE: func(_ *cobra.Command, args []string) error {
			target, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(target, rest[0])
			}
			target.InitDefaultHelpFlag()
			target.InitDefaultVersionFlag()
			return target.Help()
		},
	}
}

func unknownCommand(parent *cobra.Command, name string) error {
	if parent.SuggestionsMinimumDistance <= 0 {
		parent.SuggestionsMinimumDistance = 2
	}
	if near := parent.SuggestionsFor(name); len(near) > 0 {
		return usagef("%s has no command %q: did you mean %s?", parent.CommandPath(), name, strings.Join(near, " or "))
	}
	return usagef("%s has no command %q: see %s --help", parent.CommandPath(), name, parent.CommandPath())
}

// arguments refuses any other number of arguments than those named in the command's use line.
func arguments(least, most int) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("%s takes %s, not %d: %s", command.CommandPath(), countArguments(least, most), len(args), command.UseLine())
		}
		return nil
	}
}

func countArguments(least, most int) string {
	counts := [...]string{"no arguments", "one argument", "two arguments", "three arguments"}
	if least == most || most == 0 {
		return counts[most]
	}
	return "at most " + counts[most]
}
