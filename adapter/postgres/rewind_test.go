package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
)

// TestRewind gives a subscription again what another one keeps, except what is too old, and takes away what a consumer holds.
func TestRewind(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	store, broker := openTopics(t, url, backends.Schema(t, url), carillon.Topic{Name: "things", Subscriptions: []string{"all", "kept"}, Partitions: 1})
	const count, expired = 100, 30
	if err := broker.Publish(t.Context(), "things", notes(count)); err != nil {
		t.Fatal(err)
	}
	take := func(count int) (ids []string) {
		t.Helper()
		joined := subscribe(t, broker, time.Minute)
		deliveries := receive(t, joined, count)
		for i := range deliveries {
			ids = append(ids, deliveries[i].Message.ID)
		}
		if err := errors.Join(joined.Ack(t.Context(), deliveries), joined.Close()); err != nil {
			t.Fatal(err)
		}
		return ids
	}
	before := take(count)
	rewind := func() {
		t.Helper()
		if err := broker.(carillon.Rewinder).Rewind(t.Context(), "things", "all"); err != nil {
			t.Fatal(err)
		}
	}
	rewind()
	holding := subscribe(t, broker, time.Minute)
	held := receive(t, holding, count)
	rewind()
	select {
	case <-held[0].Lost:
	case <-time.After(20 * time.Second):
		t.Error("what was held before is not lost")
	}
	if err := errors.Join(holding.Ack(t.Context(), held), holding.Close()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, take(count)); diff != "" {
		t.Errorf("what came again: %s", diff)
	}
	if _, err := store.pool.Exec(t.Context(), store.texts.fill("UPDATE {{schema}}.messages SET published = published - $1::interval WHERE position <= $2"),
		carillon.DefaultRetention, expired); err != nil {
		t.Fatal(err)
	}
	rewind()
	if diff := cmp.Diff(before[expired:], take(count-expired)); diff != "" {
		t.Errorf("what came again and is not too old: %s", diff)
	}
	for _, wrong := range [][2]string{{"nothing", "all"}, {"things", "none"}} {
		if err := broker.(carillon.Rewinder).Rewind(t.Context(), wrong[0], wrong[1]); !errors.Is(err, carillon.ErrNotFound) {
			t.Errorf("%v: %v, want ErrNotFound", wrong, err)
		}
	}
}
