package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// streamShow prints the events of a stream.
type streamShow struct {
	store storeFlag
	after int64
	limit int64
	json  bool
	out   *printer
}

func newStreamShow(std *stdio) *cobra.Command {
	s := &streamShow{out: std.out}
	command := &cobra.Command{
		Use:   "show STREAM --store URL",
		Short: "Print the events of a stream",
		Long: "Prints the events of a stream in order of version, one to a line, as log read does. A stream without events is an\n" +
			"error.",
		Example: "  carillon stream show order-536365 --store sqlite:shop.db\n" +
			"  carillon stream show order-536365 --store sqlite:shop.db --after 1 --json",
		Args: arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error { return s.run(command.Context(), args[0]) },
	}
	s.store.add(command)
	flags := command.Flags()
	flags.Int64Var(&s.after, "after", 0, "begin behind this `VERSION`")
	flags.Int64Var(&s.limit, "limit", 0, "stop after this `NUMBER` of events; 0 for no limit")
	flags.BoolVar(&s.json, "json", false, "print one JSON object per line")
	return command
}

func (s *streamShow) run(ctx context.Context, stream string) error {
	if err := checkNumbers(s.after, s.limit); err != nil {
		return err
	}
	if err := invalidUsage(carillon.CheckStream(stream)); err != nil {
		return err
	}
	return s.store.read(ctx, func(store carillon.Store) error { return s.print(ctx, store.Log(), stream) })
}

func (s *streamShow) print(ctx context.Context, log carillon.Log, stream string) error {
	out := eventPrinter{out: s.out, json: s.json}
	after, read := s.after, int64(0)
	for s.limit == 0 || read < s.limit {
		events, err := log.ReadStream(ctx, stream, after, nextPage(s.limit, read))
		if err != nil {
			return err
		}
		if len(events) == 0 {
			break
		}
		if err := out.print(events); err != nil {
			return err
		}
		after = events[len(events)-1].Version
		read += int64(len(events))
	}
	if read > 0 {
		return nil
	}
	first, err := log.ReadStream(ctx, stream, 0, 1)
	if err == nil && len(first) == 0 {
		err = advise(carillon.Invalidf("stream "+stream, "it has no events"), "carillon stream list names the streams")
	}
	return err
}
