package styles_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/examples/styles"
	"github.com/carillon-go/carillon/projection"
)

func TestTheStylesAgree(t *testing.T) {
	t.Parallel()
	topics := services.NewTopics()
	running, stop := start(t, newShop(t.TempDir(), topics, parts(topics)...))
	defer stop()
	placeAll(t, running, 0, 120)
	want := expected(0, 120, true)
	if maps.Equal(want, expected(0, 120, false)) {
		t.Fatal("nothing is cancelled")
	}
	awaitAll(t, running, alike(want))
}

// TestReplay makes the view anew: no row differs.
func TestReplay(t *testing.T) {
	t.Parallel()
	topics := services.NewTopics()
	running, stop := start(t, newShop(t.TempDir(), topics, parts(topics)...))
	defer stop()
	placeAll(t, running, 0, 60)
	want := expected(0, 60, true)
	awaitAll(t, running, alike(want))
	differ := 0
	if err := running.Projections.Rebuild(t.Context(), "sales", projection.Compare(func(projection.Difference) error {
		differ++
		return nil
	})); err != nil || differ > 0 {
		t.Errorf("%d rows differ, error %v", differ, err)
	}
	awaitAll(t, running, alike(want))
}

// TestALateSubscriber starts the styles when orders have been placed, and cancels one of those before: the view has all of them, the
// ledger books what it hears of, and the running total takes back what it never counted.
func TestALateSubscriber(t *testing.T) {
	t.Parallel()
	directory, topics := t.TempDir(), services.NewTopics()
	early, stop := start(t, newShop(directory, topics))
	placeAll(t, early, 0, 12)
	forwarded(t, early)
	stop()

	topics = services.NewTopics()
	late, stop := start(t, newShop(directory, topics, parts(topics)...))
	defer stop()
	placeAll(t, late, 12, 24)
	first := order(0)
	if _, err := late.Bus.Send(t.Context(), shop.CancelOrder{ID: first.ID}); err != nil {
		t.Fatal(err)
	}
	key := styles.Key(first.Country, "2026-11-01")
	net := first.Lines[0].UnitPrice * 1
	all, heard := expected(0, 24, true), expected(12, 24, true)
	less := func(sales map[string]styles.Sales) map[string]styles.Sales {
		changed := maps.Clone(sales)
		s := changed[key]
		changed[key] = styles.Sales{Orders: s.Orders - 1, Net: s.Net - net}
		return changed
	}
	awaitAll(t, late, map[string]map[string]styles.Sales{"event-driven": heard, "event streaming": less(all), "stateful streaming": less(heard)})
}

// TestAChangedRule counts cancelled orders too from the second start on. The view follows for all of history; what was booked and totalled
// stays as it was.
func TestAChangedRule(t *testing.T) {
	t.Parallel()
	directory, topics := t.TempDir(), services.NewTopics()
	before, stop := start(t, newShop(directory, topics, parts(topics)...))
	placeAll(t, before, 0, 12)
	net, gross := expected(0, 12, true), expected(0, 12, false)
	awaitAll(t, before, alike(net))
	stop()

	topics = services.NewTopics()
	changed := projection.Keyed("sales",
		projection.By("order.placed", func(e shop.OrderPlaced) string { return styles.Key(e.Country, e.Day()) }, styles.Sales.Placed))
	after, stop := start(t, newShop(directory, topics,
		append(slices.Concat(styles.EventDriven(topics.Orders), styles.StatefulStreaming(topics.Orders)), changed)...))
	defer stop()
	awaitAll(t, after, map[string]map[string]styles.Sales{"event-driven": net, "event streaming": gross, "stateful streaming": net})
	if diff := cmp.Diff(net, gross); diff == "" {
		t.Error("the rules give the same")
	}
}
