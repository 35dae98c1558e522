package cli

import (
	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon/projection"
)

// newProjectionPause makes the command that pauses a read model, or the one that resumes it.
func newProjectionPause(std *stdio, pause bool) *cobra.Command {
	var store storeFlag
	command := &cobra.Command{
		Use:   "pause NAME --store URL",
		Short: "Keep a read model still",
		Long: "Keeps a read model still in whatever process runs it, from within two seconds until it is resumed, also when programs\n" +
			"restart. What it has is served as it stands. A SQLite file is refused while another process writes to it.",
		Example: "  carillon projection pause products --store postgres://localhost/shop",
		Args:    arguments(1, 1),
	}
	verb := "paused"
	if !pause {
		verb = "resumed"
		command.Use = "resume NAME --store URL"
		command.Short = "Let a paused read model go on"
		command.Long = "Lets a read model go on that was paused. It catches up with the log from where it stood."
		command.Example = "  carillon projection resume products --store postgres://localhost/shop"
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		ctx := command.Context()
		return operate(ctx, store, args[0], func(engine *projection.Engine) error {
			set := engine.Resume
			if pause {
				set = engine.Pause
			}
			if err := set(ctx, args[0]); err != nil {
				return err
			}
			std.out.printf("%s %s\n", verb, args[0])
			return nil
		})
	}
	store.add(command)
	return command
}
