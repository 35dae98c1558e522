package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// logRead prints what stands in a log.
type logRead struct {
	store  storeFlag
	filter filterFlags
	out    *printer
}

func newLogRead(std *stdio) *cobra.Command {
	r := &logRead{out: std.out}
	command := &cobra.Command{
		Use:   "read --store URL",
		Short: "Print the events of a log",
		Long: "Prints events in the order of the log, one to a line, and stops at its end. The store may be in use.\n\n" +
			"Lines for people shorten long payloads and escape control characters; --json prints everything. A payload that is\n" +
			"not JSON is payload_base64 there.",
		Example: "  carillon log read --store sqlite:shop.db --after 100 --limit 10\n" +
			"  carillon log read --store sqlite:shop.db --type order.placed --json",
		Args: arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	r.store.add(command)
	r.filter.add(command)
	return command
}

func (r *logRead) run(ctx context.Context) error {
	query, err := r.filter.query()
	if err != nil {
		return err
	}
	return r.store.read(ctx, func(store carillon.Store) error {
		events := eventPrinter{out: r.out, json: r.filter.json}
		after := carillon.Position(r.filter.after)
		for read := int64(0); r.filter.limit == 0 || read < r.filter.limit; {
			page, err := store.Log().Read(ctx, query, after, nextPage(r.filter.limit, read))
			if err != nil {
				return err
			}
			if err := events.print(page.Events); err != nil || !page.More {
				return err
			}
			after = page.Through
			read += int64(len(page.Events))
		}
		return nil
	})
}
