package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

// TestRewind gives a subscription again what another one keeps, except what is too old, and takes away what a consumer holds.
func TestRewind(t *testing.T) {
	t.Parallel()
	source := File(filepath.Join(t.TempDir(), "store.db"))
	store, broker, tables := openTopics(t, source, carillon.Topic{Name: "things", Subscriptions: []string{"all", "kept"}, Partitions: 4})
	const count = 100
	if err := broker.Publish(t.Context(), "things", notes(count)); err != nil {
		t.Fatal(err)
	}
	before := settle(t, broker, "things", "all", count)
	if left := prune(t, store, tables, "things"); left != count {
		t.Fatalf("%d messages are left of %d that are kept", left, count)
	}
	holding, err := broker.Subscribe(t.Context(), "things", "all", carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rewinder := broker.(carillon.Rewinder)
	if err := rewinder.Rewind(t.Context(), "things", "all"); err != nil {
		t.Fatal(err)
	}
	held, err := holding.Receive(t.Context(), 1) // in the partitions that it has claimed again
	if err != nil {
		t.Fatal(err)
	}
	if err := rewinder.Rewind(t.Context(), "things", "all"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held[0].Lost:
	case <-time.After(10 * time.Second):
		t.Error("what was held before is not lost")
	}
	if err := holding.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, settle(t, broker, "things", "all", count)); diff != "" {
		t.Errorf("what came again: %s", diff)
	}
	const expired = 30
	run(t, store, "UPDATE carillon_messages SET published = published - ? WHERE place & 0xffffffffff <= ?", carillon.DefaultRetention.Microseconds(), expired)
	if err := rewinder.Rewind(t.Context(), "things", "all"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before[expired:], settle(t, broker, "things", "all", count-expired)); diff != "" {
		t.Errorf("what came again and is not too old: %s", diff)
	}
	for _, wrong := range [][2]string{{"nothing", "all"}, {"things", "none"}} {
		if err := rewinder.Rewind(t.Context(), wrong[0], wrong[1]); !errors.Is(err, carillon.ErrNotFound) {
			t.Errorf("%v: %v, want ErrNotFound", wrong, err)
		}
	}
}
