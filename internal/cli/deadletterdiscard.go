package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// deadLetterDiscard drops the first letter of a key.
type deadLetterDiscard struct {
	store storeFlag
	yes   bool
	std   *stdio
}

func newDeadLetterDiscard(std *stdio) *cobra.Command {
	d := &deadLetterDiscard{std: std}
	command := &cobra.Command{
		Use:   "discard CONSUMER KEY POSITION --store URL",
		Short: "Drop the first letter of a parked key",
		Long: "Drops the first letter of a key, which stands at POSITION, so that the next one is tried: the projection or reactor\n" +
			"passes over the event. The event itself stays in the log. It asks first, on a terminal; elsewhere say --yes.\n\n" +
			"A SQLite file is refused while another process writes to it.",
		Example: "  carillon deadletter discard mails customer-17850 42 --store sqlite:shop.db\n" +
			"  carillon deadletter discard mails customer-17850 42 --store sqlite:shop.db --yes",
		Args: arguments(3, 3),
		RunE: func(command *cobra.Command, args []string) error {
			return d.run(command.Context(), args[0], args[1], args[2])
		},
	}
	d.store.add(command)
	command.Flags().BoolVar(&d.yes, "yes", false, "do not ask")
	return command
}

func (d *deadLetterDiscard) run(ctx context.Context, consumer, argument, place string) error {
	number, err := strconv.ParseInt(place, 10, 64)
	if err != nil || number < 1 {
		return usagef("POSITION %q: it is that of the key's first letter, a number from 1 on", place)
	}
	position := carillon.Position(number)
	if !d.yes {
		if err := d.ask(ctx, consumer, argument, position); err != nil {
			return err
		}
	}
	err = d.store.change(ctx, func(store carillon.Store) error { return d.discard(ctx, store, consumer, argument, position) })
	return d.store.aside(err, "nothing was discarded: stop the service that writes to it, discard, and start it again")
}

// ask shows which event it is about, and returns nil for a yes. The store is not kept open meanwhile.
func (d *deadLetterDiscard) ask(ctx context.Context, consumer, argument string, position carillon.Position) error {
	if !d.std.interactive() {
		return errUnasked()
	}
	question := ""
	err := d.store.read(ctx, func(store carillon.Store) error {
		parked, err := parkedOf(store)
		if err != nil {
			return err
		}
		key, err := parked.find(ctx, consumer, argument)
		if err != nil {
			return err
		}
		if key.First != position {
			return notFirst(key, position)
		}
		event, err := eventAt(ctx, store.Log(), position)
		if err == nil {
			question = fmt.Sprintf("Have %s pass over %s at position %d, of key %s?", consumer, event.Type, position, key.Key)
		}
		return err
	})
	if err != nil {
		return err
	}
	yes, err := d.std.confirm(ctx, question)
	if err == nil && !yes {
		err = errors.New("nothing was discarded")
	}
	return err
}

func (d *deadLetterDiscard) discard(ctx context.Context, store carillon.Store, consumer, argument string, position carillon.Position) error {
	parked, err := parkedOf(store)
	if err != nil {
		return err
	}
	key, err := parked.find(ctx, consumer, argument)
	if err != nil {
		return err
	}
	err = parked.letters.Discard(ctx, consumer, key.Key, position)
	switch {
	case errors.Is(err, carillon.ErrConflict):
		return notFirst(key, position)
	case errors.Is(err, carillon.ErrNotFound): // it was handled just now
		return notParked(consumer, key.Key)
	case err != nil:
		return err
	}
	left := "no letter of the key is left"
	switch count := key.Letters - 1; {
	case count == 1:
		left = "1 letter of the key is left, and tried by the running service or the next start"
	case count > 1:
		left = fmt.Sprintf("%d letters of the key are left, and tried by the running service or the next start", count)
	}
	d.std.out.printf("discarded position %d of key %s of %s: the event stays in the log, %s\n",
		position, printable(key.Key), printable(consumer), left)
	return nil
}

// notFirst refuses a letter that others stand before, or that is not there.
func notFirst(key carillon.ParkedKey, position carillon.Position) error {
	err := fmt.Errorf("position %d is not the first letter of key %s", position, printable(key.Key))
	return advise(err, "letters go in order, and the first is at position %d", key.First)
}
