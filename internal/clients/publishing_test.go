package clients_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

func TestTurns(t *testing.T) {
	t.Parallel()
	var turns clients.Turns
	counts := make([]int, 3)
	for range 9 {
		counts[turns.Partition("", 3)]++
	}
	if diff := cmp.Diff([]int{3, 3, 3}, counts); diff != "" {
		t.Errorf("messages without a key: %s", diff)
	}
	for range 3 {
		if got, want := turns.Partition("k", 3), carillon.Partition("k", 3); got != want {
			t.Errorf("partition %d of a key, want %d", got, want)
		}
	}
}

func TestCheckSizes(t *testing.T) {
	t.Parallel()
	messages := []carillon.Message{{ID: "1"}, {ID: "2", Payload: make([]byte, carillon.MaxPayload)}}
	if err := clients.CheckSizes(messages); err != nil {
		t.Error(err)
	}
	messages[1].Payload = append(messages[1].Payload, 0)
	if err := clients.CheckSizes(messages); !errors.Is(err, carillon.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}
