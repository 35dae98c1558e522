package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// tailInterval is how often a tail looks for what another process has appended.
const tailInterval = 200 * time.Millisecond

// logTail prints what is appended to a log.
type logTail struct {
	store  storeFlag
	filter filterFlags
	from   string
	out    *printer
}

func newLogTail(std *stdio) *cobra.Command {
	t := &logTail{out: std.out}
	command := &cobra.Command{
		Use:   "tail --store URL",
		Short: "Print events as they are appended",
		Long: "Follows a log beside the process that writes it and prints each event, one to a line, until it is interrupted. It\n" +
			"begins at the head of the log, or behind the position of --after.",
		Example: "  carillon log tail --store sqlite:shop.db\n" +
			"  carillon log tail --store sqlite:shop.db --after 100 --tag country:France --json",
		Args: arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			behind := command.Flags().Changed("after")
			if behind && command.Flags().Changed("from") {
				return usagef("--from and --after: say one of them")
			}
			return t.run(command.Context(), behind)
		},
	}
	t.store.add(command)
	t.filter.add(command)
	command.Flags().StringVar(&t.from, "from", "head", "where to begin: `head or start`, unless --after says it")
	return command
}

func (t *logTail) run(ctx context.Context, behind bool) error {
	query, err := t.filter.query()
	if err != nil {
		return err
	}
	if t.from != "head" && t.from != "start" {
		return usagef("--from %q: it is head or start; --after takes a position", t.from)
	}
	err = t.store.read(ctx, func(store carillon.Store) error {
		after := carillon.Position(t.filter.after)
		if t.from == "head" && !behind {
			if after, err = store.Log().Head(ctx); err != nil {
				return err
			}
		}
		return t.follow(ctx, store.Log(), query, after)
	})
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil //nolint:nilerr // a tail goes on until it is interrupted
	}
	return err
}

// follow prints until the limit or the end of the context.
func (t *logTail) follow(ctx context.Context, log carillon.Log, query carillon.Query, after carillon.Position) error {
	events := eventPrinter{out: t.out, json: t.filter.json}
	ticker := time.NewTicker(tailInterval)
	defer ticker.Stop()
	for read := int64(0); t.filter.limit == 0 || read < t.filter.limit; {
		page, err := log.Read(ctx, query, after, nextPage(t.filter.limit, read))
		if err != nil {
			return err
		}
		if err := events.print(page.Events); err != nil {
			return err
		}
		after = page.Through
		read += int64(len(page.Events))
		if page.More {
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
