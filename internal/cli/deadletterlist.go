package cli

import (
	"context"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// deadLetterList prints the parked keys of a store.
type deadLetterList struct {
	store storeFlag
	json  bool
	out   *printer
}

// parkedKeyObject is a parked key as --json prints it.
type parkedKeyObject struct {
	Consumer string `json:"consumer"`
	keyObject
	Letters int64 `json:"letters"`
	// First is the position of the first letter.
	First carillon.Position `json:"first"`
	// Retry says that somebody asked for another try.
	Retry bool `json:"retry"`
}

func newDeadLetterList(std *stdio) *cobra.Command {
	l := &deadLetterList{out: std.out}
	command := &cobra.Command{
		Use:   "list --store URL [CONSUMER]",
		Short: "Print the parked keys",
		Long: "Prints the parked keys of one projection or reactor, or of all: how many letters each has, the position of the first,\n" +
			"and whether somebody asked for another try that has not been made yet. The store may be in use.",
		Example: "  carillon deadletter list --store sqlite:shop.db\n" +
			"  carillon deadletter list mails --store sqlite:shop.db --json",
		Args: arguments(0, 1),
		RunE: func(command *cobra.Command, args []string) error { return l.run(command.Context(), args) },
	}
	l.store.add(command)
	command.Flags().BoolVar(&l.json, "json", false, "print one JSON object per line")
	return command
}

func (l *deadLetterList) run(ctx context.Context, consumers []string) error {
	return l.store.read(ctx, func(store carillon.Store) error {
		parked, err := parkedOf(store)
		if err == nil && len(consumers) == 0 {
			consumers, err = parked.consumers(ctx)
		}
		if err != nil {
			return err
		}
		var objects []parkedKeyObject
		for _, consumer := range consumers {
			keys, err := parked.keys(ctx, consumer)
			if err != nil {
				return err
			}
			for _, key := range keys {
				objects = append(objects, parkedKeyObject{
					Consumer: consumer, keyObject: newKeyObject(key.Key), Letters: key.Letters, First: key.First, Retry: key.Retry,
				})
			}
		}
		if !l.json {
			l.table(objects)
			return nil
		}
		for _, object := range objects {
			if err := l.out.object(object); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *deadLetterList) table(objects []parkedKeyObject) {
	if len(objects) == 0 {
		l.out.printf("nothing is parked\n")
		return
	}
	width := len("CONSUMER")
	for _, object := range objects {
		width = max(width, utf8.RuneCountInString(printable(object.Consumer)))
	}
	l.out.printf("%-*s  %10s  %10s  %5s  %s\n", width, "CONSUMER", "LETTERS", "FIRST", "RETRY", "KEY")
	for _, object := range objects {
		retry := "-"
		if object.Retry {
			retry = "asked"
		}
		l.out.printf("%-*s  %10d  %10d  %5s  %s\n",
			width, printable(object.Consumer), object.Letters, object.First, retry, printable(object.Key+string(object.KeyBase64)))
	}
}
