package cli

import (
	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon/projection"
)

// projectionReset makes one row of a read model anew.
type projectionReset struct {
	store storeFlag
	std   *stdio
}

func newProjectionReset(std *stdio) *cobra.Command {
	r := &projectionReset{std: std}
	command := &cobra.Command{
		Use:   "reset NAME KEY --store URL",
		Short: "Make one row of a read model anew",
		Long: "Folds everything that happened to one row, from the first event on, and writes the row. All other rows stay as they are.\n" +
			"A process that runs the read model keeps it to itself: stop it first, or pause the read model and wait for its lease.",
		Example: "  carillon projection reset customers 17850 --store sqlite:shop.db",
		Args:    arguments(2, 2),
		RunE: func(command *cobra.Command, args []string) error {
			ctx := command.Context()
			return operate(ctx, r.store, args[0], func(engine *projection.Engine) error {
				if err := engine.Rewind(ctx, args[0], args[1]); err != nil {
					return advise(err, "stop the process that runs %s", args[0])
				}
				r.std.out.printf("reset %s %s\n", args[0], printable(args[1]))
				return nil
			})
		},
	}
	r.store.add(command)
	return command
}
