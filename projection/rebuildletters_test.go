package projection_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

// sums are the numbers of each customer's orders; a fold that fails does so at number 3.
func sums(fails bool) *projection.Model[[]int] {
	return projection.Keyed("sums", projection.On("order.placed", func(numbers []int, e ordered) []int {
		if fails && e.Number == 3 {
			panic("three")
		}
		return append(slices.Clone(numbers), e.Number)
	}))
}

// parkedSums is a depot after so many orders of customer a, of which the third and those behind it are parked. Nothing runs there any more.
func parkedSums(t *testing.T, orders int) *depot {
	t.Helper()
	house, stop := newDepot(t, sums(true))
	for range orders {
		house.place(t, "a")
	}
	<-time.After(time.Minute)
	stop()
	return house
}

// mortal is a store as a process reaches it that dies before one of its writes: that and all later ones do not take place.
type mortal struct {
	*memory.Store
	writes   int          // left
	switches func() error // called before each switch, nil for nothing
}

func (m *mortal) ReadModels() carillon.ReadModels { return mortalModels{m.Store.ReadModels(), m} }

type mortalModels struct {
	carillon.ReadModels
	store *mortal
}

func (m mortalModels) write() error {
	if m.store.writes--; m.store.writes < 0 {
		return errBroken
	}
	return nil
}

func (m mortalModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	if err := m.write(); err != nil {
		return err
	}
	return m.ReadModels.Update(ctx, ref, durability, fn)
}

func (m mortalModels) Switch(ctx context.Context, name string) error {
	if err := m.write(); err != nil {
		return err
	}
	if m.store.switches != nil {
		if err := m.store.switches(); err != nil {
			return err
		}
	}
	return m.ReadModels.Switch(ctx, name)
}

// rebuilt has a process with its own version of the fold rebuild the sums, and returns what came of it.
func (d *depot) rebuilt(t *testing.T, store carillon.Store, fails bool) error {
	t.Helper()
	engine := projection.NewEngine(d.log, store)
	if err := engine.Add(sums(fails)); err != nil {
		t.Fatal(err)
	}
	return engine.Rebuild(t.Context(), "sums")
}

// accounted are the numbers of a customer's orders that are in the row, and those that are parked, by the order of the log.
func (d *depot) accounted(t *testing.T, customer string) (folded, parked []int) {
	t.Helper()
	row, err := projection.NewView(sums(false), d.store.ReadModels(), codec.JSON()).Get(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := d.store.DeadLetters().Letters(t.Context(), "sums", customer, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, letter := range letters {
		page, err := d.log.Read(t.Context(), carillon.AllEvents(), letter.Position-1, 1)
		if err != nil || len(page.Events) != 1 {
			t.Fatal(len(page.Events), err)
		}
		var e ordered
		if err := codec.JSON().Decode(page.Events[0].Payload, &e); err != nil {
			t.Fatal(err)
		}
		parked = append(parked, e.Number)
	}
	return row.State, parked
}

// TestARebuildThatDies is killed before each of its writes in turn. Whatever it has come to, every event is in the rows or parked, and
// in one of them alone; the process that comes after it goes on from there.
func TestARebuildThatDies(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint("the fold still fails ", fails), func(t *testing.T) {
			t.Parallel()
			lives := 0
			for survived := false; !survived; lives++ {
				synctest.Test(t, func(t *testing.T) {
					house, stop := newDepot(t, sums(true))
					for range 5 {
						house.place(t, "a")
						house.place(t, "b")
					}
					<-time.After(time.Minute)
					stop()
					folded, parked := house.accounted(t, "a")
					if !slices.Equal(folded, []int{1, 2}) || !slices.Equal(parked, []int{3, 4, 5}) {
						t.Fatalf("before the rebuild %v are folded and %v parked", folded, parked)
					}
					err := house.rebuilt(t, &mortal{Store: house.store, writes: lives}, fails)
					survived = err == nil
					if err != nil && !errors.Is(err, errBroken) {
						t.Fatal(err)
					}
					for _, customer := range []string{"a", "b"} {
						folded, parked := house.accounted(t, customer)
						if got := slices.Concat(folded, parked); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
							t.Errorf("killed before write %d: of customer %s %v are folded and %v parked", lives+1, customer, folded, parked)
						}
					}
					_, stop = openDepot(t, sums(fails), house.store, house.store)
					<-time.After(time.Minute)
					stop()
					wantFolded, wantParked := []int{1, 2, 3, 4, 5}, []int(nil)
					if fails {
						wantFolded, wantParked = []int{1, 2}, []int{3, 4, 5}
					}
					folded, parked = house.accounted(t, "a")
					if diff := cmp.Diff([][]int{wantFolded, wantParked}, [][]int{folded, parked}); diff != "" {
						t.Errorf("killed before write %d, and after another start (-want +got):\n%s", lives+1, diff)
					}
				})
				if t.Failed() {
					return
				}
			}
			if lives < 4 { // its shadow cleared, its rows, its checkpoint, the switch
				t.Errorf("the rebuild has %d writes: the test would not see what it is for", lives-1)
			}
		})
	}
}

// TestALetterParkedBesideARebuild: what an old version of the program parks while a mended one rebuilds goes with the old rows, since the
// new ones hold the event.
func TestALetterParkedBesideARebuild(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		house := parkedSums(t, 3)
		house.place(t, "a")
		store := &mortal{Store: house.store, writes: 1000}
		store.switches = func() error {
			_, stop := openDepot(t, sums(true), house.store, house.store)
			<-time.After(time.Minute)
			stop()
			if _, parked := house.accounted(t, "a"); !slices.Equal(parked, []int{3, 4}) {
				t.Errorf("the old version parked %v, want 3 and 4", parked)
			}
			return nil
		}
		if err := house.rebuilt(t, store, false); err != nil {
			t.Fatal(err)
		}
		_, stop := openDepot(t, sums(false), house.store, house.store)
		<-time.After(time.Minute)
		stop()
		if folded, parked := house.accounted(t, "a"); !slices.Equal(folded, []int{1, 2, 3, 4}) || len(parked) > 0 {
			t.Errorf("%v are folded and %v parked, want all folded once", folded, parked)
		}
	})
}

// TestWhatARebuildElsewhereParks has a process of a version whose fold fails rebuild the read model, while one that is mended follows it and
// has nothing to do: that one tries what the other has parked.
func TestWhatARebuildElsewhereParks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newShared()
		house, stop := openDepot(t, sums(false), store.Store, store)
		for range 5 {
			house.place(t, "a")
		}
		<-time.After(time.Minute)
		if err := house.rebuilt(t, store, true); err != nil {
			t.Fatal(err)
		}
		if folded, parked := house.accounted(t, "a"); !slices.Equal(folded, []int{1, 2}) || !slices.Equal(parked, []int{3, 4, 5}) {
			t.Fatalf("after the rebuild %v are folded and %v parked", folded, parked)
		}
		<-time.After(10 * time.Second)
		if folded, parked := house.accounted(t, "a"); !slices.Equal(folded, []int{1, 2, 3, 4, 5}) || len(parked) > 0 {
			t.Errorf("%v are folded and %v parked by those who can fold them", folded, parked)
		}
		stop()
	})
}
