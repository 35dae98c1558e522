package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// deadLetterShow prints the letters of a key.
type deadLetterShow struct {
	store storeFlag
	limit int64
	json  bool
	out   *printer
}

// letterObject is a letter as --json prints it.
type letterObject struct {
	Consumer string `json:"consumer"`
	keyObject
	Position carillon.Position `json:"position"`
	// Attempts is 0 for an event that waits behind another.
	Attempts int    `json:"attempts"`
	Cause    string `json:"cause"`
	// First and Last are when it failed, left out for an event that waits.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// The first letter has where the panic was, if it was one, and the event.
	Stack string       `json:"stack,omitempty"`
	Event *eventObject `json:"event,omitempty"`
}

func newDeadLetterShow(std *stdio) *cobra.Command {
	s := &deadLetterShow{out: std.out}
	command := &cobra.Command{
		Use:   "show CONSUMER KEY --store URL",
		Short: "Print the letters of a parked key",
		Long: "Prints the letters of a key in order: position, attempts, when it failed first and last, and of what. The first one,\n" +
			"which the others wait behind, comes with its event, and with the stack if it was a panic. The store may be in use.\n\n" +
			"Lines for people shorten a long payload and escape control characters; --json prints everything.",
		Example: "  carillon deadletter show mails customer-17850 --store sqlite:shop.db\n" +
			"  carillon deadletter show mails '#42' --store sqlite:shop.db --limit 1 --json",
		Args: arguments(2, 2),
		RunE: func(command *cobra.Command, args []string) error { return s.run(command.Context(), args[0], args[1]) },
	}
	s.store.add(command)
	flags := command.Flags()
	flags.Int64Var(&s.limit, "limit", 0, "stop after this `NUMBER` of letters; 0 for no limit")
	flags.BoolVar(&s.json, "json", false, "print one JSON object per line")
	return command
}

func (s *deadLetterShow) run(ctx context.Context, consumer, argument string) error {
	if err := checkNumbers(0, s.limit); err != nil {
		return err
	}
	return s.store.read(ctx, func(store carillon.Store) error {
		parked, err := parkedOf(store)
		if err != nil {
			return err
		}
		key, err := parked.find(ctx, consumer, argument)
		if err != nil {
			return err
		}
		shown, after := int64(0), carillon.Position(0)
		for s.limit == 0 || shown < s.limit {
			letters, err := parked.letters.Letters(ctx, consumer, key.Key, after, nextPage(s.limit, shown))
			if err != nil {
				return err
			}
			if len(letters) == 0 {
				break
			}
			if err := s.print(ctx, store.Log(), letters, after == 0); err != nil {
				return err
			}
			after = letters[len(letters)-1].Position
			shown += int64(len(letters))
		}
		if shown == 0 {
			return notParked(consumer, key.Key) // it was handled just now
		}
		return nil
	})
}

// print prints letters; with the first of the key comes its event.
func (s *deadLetterShow) print(ctx context.Context, log carillon.Log, letters []carillon.DeadLetter, first bool) error {
	for i := range letters {
		letter := &letters[i]
		var event *carillon.Recorded
		if first && i == 0 {
			var err error
			if event, err = eventAt(ctx, log, letter.Position); err != nil {
				return err
			}
		}
		if err := s.letter(letter, event); err != nil {
			return err
		}
	}
	return s.out.failure()
}

// letter prints one letter, the first with its event.
func (s *deadLetterShow) letter(letter *carillon.DeadLetter, event *carillon.Recorded) error {
	if s.json {
		object := letterObject{
			Consumer: letter.Consumer, keyObject: newKeyObject(letter.Key), Position: letter.Position,
			Attempts: letter.Attempts, Cause: letter.Cause, First: letter.First, Last: letter.Last,
		}
		if event != nil {
			shown := newEventObject(event)
			object.Event, object.Stack = &shown, letter.Stack
		}
		return s.out.object(object)
	}
	if event != nil {
		s.out.printf("%8s  %8s  %-27s  %-27s  %s\n", "POSITION", "ATTEMPTS", "FIRST FAILURE", "LAST FAILURE", "CAUSE")
	}
	s.out.printf("%8d  %8d  %-27s  %-27s  %s\n",
		letter.Position, letter.Attempts, shownTime(letter.First), shownTime(letter.Last), printable(letter.Cause))
	if event != nil {
		s.out.printf("%10sevent    %s, id %s\n", "", printable(event.Type), printable(event.ID))
		s.out.printf("%10spayload  %s\n", "", printable(shownPayload(event.Payload)))
		label := "stack"
		for line := range strings.Lines(letter.Stack) {
			s.out.printf("%10s%-7s  %s\n", "", label, printable(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")))
			label = ""
		}
	}
	return nil
}

// shownTime is a time as people read it, - for none.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// eventAt reads the event at a position.
func eventAt(ctx context.Context, log carillon.Log, position carillon.Position) (*carillon.Recorded, error) {
	page, err := log.Read(ctx, carillon.AllEvents(), position-1, 1)
	if err != nil {
		return nil, err
	}
	if len(page.Events) == 0 || page.Events[0].Position != position {
		return nil, fmt.Errorf("the log has no event at position %d, which is parked: %w", position, carillon.ErrCorrupt)
	}
	return &page.Events[0], nil
}
