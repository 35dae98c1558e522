package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

func newDeadLetter(std *stdio) *cobra.Command {
	return group(&cobra.Command{
		Use:   "deadletter",
		Short: "Show, retry and discard parked events",
		Long: "An event that a projection or reactor could not handle is parked as a dead letter, and the later events of its key wait\n" +
			"behind it. Here they are looked at, tried again and discarded.\n\n" +
			"A KEY is written as it is, or as list prints it. Quote one that begins with #, which is an event without a key.",
		Example: "  carillon deadletter list --store sqlite:shop.db\n" +
			"  carillon deadletter retry mails customer-17850 --store sqlite:shop.db",
	},
		newDeadLetterList(std),
		newDeadLetterShow(std),
		newDeadLetterRetry(std),
		newDeadLetterDiscard(std),
	)
}

// parked is what a store has parked.
type parked struct {
	letters carillon.DeadLetters
	models  carillon.ReadModels
}

func parkedOf(store carillon.Store) (parked, error) {
	parks, ok := store.(carillon.DeadLetterStore)
	if !ok {
		return parked{}, fmt.Errorf("the store parks nothing: %w", carillon.ErrUnsupported)
	}
	return parked{letters: parks.DeadLetters(), models: store.ReadModels()}, nil
}

// consumers names the projections and reactors that may have parked something.
func (p parked) consumers(ctx context.Context) ([]string, error) {
	models, err := p.models.Models(ctx)
	names := make([]string, len(models))
	for i, model := range models {
		names[i] = model.Name
	}
	return names, err
}

// keys returns the parked keys of a consumer, and fails for one that the store does not know.
func (p parked) keys(ctx context.Context, consumer string) ([]carillon.ParkedKey, error) {
	keys, err := p.letters.Keys(ctx, consumer)
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	names, err := p.consumers(ctx)
	if err == nil && !slices.Contains(names, consumer) {
		err = advise(fmt.Errorf("no projection or reactor %q in this store", consumer), "carillon projection list names them")
	}
	return nil, err
}

// find returns the parked key that an argument names: as it is, or as a terminal shows it.
func (p parked) find(ctx context.Context, consumer, argument string) (carillon.ParkedKey, error) {
	keys, err := p.keys(ctx, consumer)
	if err != nil {
		return carillon.ParkedKey{}, err
	}
	var alike []carillon.ParkedKey
	for _, key := range keys {
		if key.Key == argument {
			return key, nil
		}
		if printable(key.Key) == argument {
			alike = append(alike, key)
		}
	}
	switch len(alike) {
	case 0:
		return carillon.ParkedKey{}, notParked(consumer, argument)
	case 1:
		return alike[0], nil
	default:
		return carillon.ParkedKey{}, usagef("%d parked keys of %s are shown as %s: write the bytes of the one that is meant", len(alike), consumer, argument)
	}
}

func notParked(consumer, key string) error {
	return advise(fmt.Errorf("key %s of %s is not parked", printable(key), consumer), "carillon deadletter list names what is")
}

// keyObject is a key as --json prints it. One of the two holds it: the first when it is text.
type keyObject struct {
	Key       string `json:"key,omitempty"`
	KeyBase64 []byte `json:"key_base64,omitempty"`
}

func newKeyObject(key string) keyObject {
	if utf8.ValidString(key) {
		return keyObject{Key: key}
	}
	return keyObject{KeyBase64: []byte(key)}
}

// aside says what to do about a file that a running service has to itself.
func (s *storeFlag) aside(err error, advice string) error {
	if errors.Is(err, carillon.ErrInUse) && !s.isServer() {
		return advise(fmt.Errorf("%s: %w", s.url, carillon.ErrInUse), "%s", advice)
	}
	return err
}
