package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// streamList prints the names of streams.
type streamList struct {
	store storeFlag
	after string
	limit int64
	json  bool
	out   *printer
}

// streamObject is a stream as --json prints it.
type streamObject struct {
	Stream  string `json:"stream"`
	Version int64  `json:"version"`
}

func newStreamList(std *stdio) *cobra.Command {
	l := &streamList{out: std.out}
	command := &cobra.Command{
		Use:   "list --store URL",
		Short: "Print the names of streams",
		Long:  "Prints streams with their last version, in order of name.",
		Example: "  carillon stream list --store sqlite:shop.db --limit 10\n" +
			"  carillon stream list --store sqlite:shop.db --after order-536365 --json",
		Args: arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error { return l.run(command.Context()) },
	}
	l.store.add(command)
	flags := command.Flags()
	flags.StringVar(&l.after, "after", "", "begin behind this `STREAM`")
	flags.Int64Var(&l.limit, "limit", 0, "stop after this `NUMBER` of streams; 0 for no limit")
	flags.BoolVar(&l.json, "json", false, "print one JSON object per line")
	return command
}

func (l *streamList) run(ctx context.Context) error {
	if err := checkNumbers(0, l.limit); err != nil {
		return err
	}
	return l.store.read(ctx, func(store carillon.Store) error {
		lister, ok := store.Log().(carillon.StreamLister)
		if !ok {
			return fmt.Errorf("the names of streams: %w", carillon.ErrUnsupported)
		}
		after := l.after
		for listed := int64(0); l.limit == 0 || listed < l.limit; {
			infos, err := lister.Streams(ctx, after, nextPage(l.limit, listed))
			if err != nil || len(infos) == 0 {
				return err
			}
			for _, info := range infos {
				if err := l.print(info); err != nil {
					return err
				}
			}
			after = infos[len(infos)-1].Name
			listed += int64(len(infos))
		}
		return nil
	})
}

func (l *streamList) print(info carillon.StreamInfo) error {
	if l.json {
		return l.out.object(streamObject{Stream: info.Name, Version: info.Version})
	}
	l.out.printf("%8d  %s\n", info.Version, printable(info.Name))
	return l.out.failure()
}
