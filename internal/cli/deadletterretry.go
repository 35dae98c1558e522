package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// deadLetterRetry asks for another try of parked keys.
type deadLetterRetry struct {
	store storeFlag
	all   bool
	out   *printer
}

func newDeadLetterRetry(std *stdio) *cobra.Command {
	r := &deadLetterRetry{out: std.out}
	command := &cobra.Command{
		Use:   "retry --store URL (CONSUMER [KEY] | --all)",
		Short: "Ask for another try of parked keys",
		Long: "Asks for another try of a parked key, of all those of a projection or reactor, or of all there are. A running service\n" +
			"takes it up within a second: the events of a key are handled in order until one fails. A service that starts tries\n" +
			"every parked key once, asked or not.\n\n" +
			"A SQLite file is refused while another process writes to it: restart that one, or have it call Engine.Retry.",
		Example: "  carillon deadletter retry mails customer-17850 --store sqlite:shop.db\n" +
			"  carillon deadletter retry --all --store postgres://localhost/shop",
		Args: arguments(0, 2),
		RunE: func(command *cobra.Command, args []string) error { return r.run(command.Context(), args) },
	}
	r.store.add(command)
	command.Flags().BoolVar(&r.all, "all", false, "ask for every parked key of the store")
	return command
}

func (r *deadLetterRetry) run(ctx context.Context, args []string) error {
	if r.all == (len(args) > 0) {
		return usagef("say whose keys are to be tried: CONSUMER, CONSUMER KEY or --all")
	}
	err := r.store.change(ctx, func(store carillon.Store) error {
		parked, err := parkedOf(store)
		if err != nil {
			return err
		}
		if len(args) == 2 {
			return r.one(ctx, parked, args[0], args[1])
		}
		consumers := args
		if r.all {
			if consumers, err = parked.consumers(ctx); err != nil {
				return err
			}
		}
		asked := 0
		for _, consumer := range consumers {
			count, err := r.each(ctx, parked, consumer)
			if err != nil {
				return err
			}
			asked += count
		}
		switch asked {
		case 0:
			r.out.printf("nothing is parked\n")
		case 1:
			r.say("1 key")
		default:
			r.say(fmt.Sprintf("%d keys", asked))
		}
		return nil
	})
	return r.store.aside(err, "restart the service that writes to it, which then tries every parked key, or have it call Engine.Retry")
}

// one asks for a key.
func (r *deadLetterRetry) one(ctx context.Context, parked parked, consumer, argument string) error {
	key, err := parked.find(ctx, consumer, argument)
	if err != nil {
		return err
	}
	err = parked.letters.Retry(ctx, consumer, key.Key)
	if errors.Is(err, carillon.ErrNotFound) { // it was handled just now
		return notParked(consumer, key.Key)
	}
	if err == nil {
		r.say("key " + printable(key.Key) + " of " + printable(consumer))
	}
	return err
}

// each asks for all keys of a consumer, and returns how many there were.
func (r *deadLetterRetry) each(ctx context.Context, parked parked, consumer string) (asked int, err error) {
	keys, err := parked.keys(ctx, consumer)
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		err := parked.letters.Retry(ctx, consumer, key.Key)
		if errors.Is(err, carillon.ErrNotFound) {
			continue // it was handled just now
		}
		if err != nil {
			return asked, err
		}
		asked++
	}
	return asked, nil
}

func (r *deadLetterRetry) say(what string) {
	r.out.printf("asked for another try of %s: a running service makes it within a second, any other when it starts\n", what)
}
