package projection_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// ordered is an event of one customer; they are numbered from 1.
type ordered struct{ Number int }

// dispatch is a reactor's effects: which orders of each customer were dispatched, in which order, and how long after they were placed.
type dispatch struct {
	mu    sync.Mutex
	done  map[string][]int
	took  map[string][]time.Duration
	fails func(customer string, number int) bool
	takes time.Duration
}

func newDispatch(takes time.Duration, fails func(customer string, number int) bool) *dispatch {
	return &dispatch{done: make(map[string][]int), took: make(map[string][]time.Duration), fails: fails, takes: takes}
}

func (d *dispatch) reactor() *projection.Reactor {
	return projection.React("dispatch", projection.FromBeginning(), projection.Handle("order.placed",
		func(_ context.Context, at carillon.Recorded, e ordered) error {
			if d.takes > 0 {
				<-time.After(d.takes)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.fails(at.Key, e.Number) {
				return errBroken
			}
			d.done[at.Key] = append(d.done[at.Key], e.Number)
			d.took[at.Key] = append(d.took[at.Key], time.Since(at.Time))
			return nil
		}))
}

// repair lets everything succeed from now on.
func (d *dispatch) repair() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = func(string, int) bool { return false }
}

// violations are the customers whose orders were not dispatched each once and in order.
func (d *dispatch) violations(orders map[string]int) (wrong []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for customer, count := range orders {
		want := make([]int, count)
		for i := range want {
			want[i] = i + 1
		}
		if !slices.Equal(d.done[customer], want) {
			wrong = append(wrong, customer)
		}
	}
	return wrong
}

// depot is a store in memory, its log and an engine that runs a reactor.
type depot struct {
	store  *memory.Store
	log    *eventlog.Log
	engine *projection.Engine
	orders map[string]int
}

func newDepot(t testing.TB, definition projection.Definition) (d *depot, stop func()) {
	t.Helper()
	store := memory.Volatile()
	return openDepot(t, definition, store, store)
}

// openDepot has the engine see a store through a layer of a test's.
func openDepot(t testing.TB, definition projection.Definition, store *memory.Store, seen carillon.Store) (d *depot, stop func()) {
	t.Helper()
	d = &depot{store: store, log: eventlog.New(store.Log()), orders: make(map[string]int)}
	d.engine = projection.NewEngine(d.log, seen)
	if err := d.engine.Add(definition); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.engine.Run(ctx) }()
	return d, func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func (d *depot) place(t testing.TB, customer string) {
	t.Helper()
	d.orders[customer]++
	event := message(t, "order.placed", ordered{d.orders[customer]})
	event.Key = customer
	_, err := d.log.Append(t.Context(), carillon.Append{Stream: "customer-" + customer, Expect: carillon.AnyVersion(), Events: []carillon.Message{event}})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *depot) parked(t testing.TB) []carillon.ParkedKey {
	t.Helper()
	keys, err := d.store.DeadLetters().Keys(t.Context(), "dispatch")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

const (
	customers    = 100
	manyOrders   = 10_000
	sickOrders   = manyOrders / 100 // that fail until the repair
	sickCustomer = 20               // customers with such orders
)

func isSick(customer int) bool { return customer < sickCustomer }

// TestLettersKeepOrder: of 10,000 orders of 100 customers one in a hundred fails until a repair. No customer's orders are dispatched out of
// order, before or after, and those of the other customers come as fast as if nothing failed.
func TestLettersKeepOrder(t *testing.T) {
	t.Parallel()
	p99 := func(failing bool) (slow time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			perCustomer := manyOrders / customers
			d := newDispatch(time.Millisecond, func(customer string, number int) bool {
				var n int
				if _, err := fmt.Sscanf(customer, "c%d", &n); err != nil {
					t.Error(err)
				}
				return failing && isSick(n) && number%(perCustomer*sickCustomer/sickOrders) == 7
			})
			house, stop := newDepot(t, d.reactor())
			defer stop()
			for range perCustomer {
				for c := range customers {
					house.place(t, fmt.Sprintf("c%02d", c))
				}
				<-time.After(20 * time.Millisecond)
			}
			<-time.After(time.Minute)
			keys := house.parked(t)
			if want := sickCustomer; failing && len(keys) != want || !failing && len(keys) > 0 {
				t.Errorf("%d keys are parked, want %d", len(keys), want)
			}
			if wrong := d.violations(house.orders); failing && len(wrong) != sickCustomer {
				t.Errorf("%d customers wait before the repair, want %d", len(wrong), sickCustomer)
			}
			d.repair()
			for _, key := range keys {
				if err := house.engine.Retry(t.Context(), "dispatch", key.Key); err != nil {
					t.Error(err)
				}
			}
			<-time.After(time.Minute)
			if wrong := d.violations(house.orders); len(wrong) > 0 || len(house.parked(t)) > 0 {
				t.Errorf("out of order or missing: %q; parked: %v", wrong, house.parked(t))
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			var healthy []time.Duration
			for c := sickCustomer; c < customers; c++ {
				healthy = append(healthy, d.took[fmt.Sprintf("c%02d", c)]...)
			}
			slices.Sort(healthy)
			slow = healthy[len(healthy)*99/100]
		})
		return slow
	}
	clean, failing := p99(false), p99(true)
	t.Logf("p99 of healthy customers: %v when nothing fails, %v when 1 %% fails: %.2f times", clean, failing, float64(failing)/float64(clean))
	if float64(failing) > 1.2*float64(clean) {
		t.Errorf("healthy customers wait %v, %v when nothing fails: more than 1.2 times as long", failing, clean)
	}
}

// TestReleaseRacesArrivals: orders arrive while their key is being released, over and over. None overtakes another.
func TestReleaseRacesArrivals(t *testing.T) {
	t.Parallel()
	const rounds, arrivals = 100, 100 // of each round
	var broken bool
	d := newDispatch(0, nil)
	d.fails = func(string, int) bool { return broken }
	set := func(to bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		broken = to
	}
	reactor := projection.React("dispatch", projection.FromBeginning(), projection.Handle("order.placed",
		func(_ context.Context, at carillon.Recorded, e ordered) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if broken {
				return consume.Permanent(errBroken)
			}
			d.done[at.Key] = append(d.done[at.Key], e.Number)
			return nil
		}))
	house, stop := newDepot(t, reactor)
	defer stop()
	race(t, house, set, rounds, arrivals)
	if wrong := d.violations(house.orders); len(wrong) > 0 {
		t.Errorf("%d orders were dispatched out of order or not at all", len(d.done["c"]))
	}

	// The control: a store that shows no letters has the key released at once.
	clear(d.done)
	store := memory.Volatile()
	house, stopControl := openDepot(t, reactor, store, forgetful{store})
	defer stopControl()
	set(true)
	house.place(t, "c")
	for len(house.parked(t)) == 0 {
		runtime.Gosched()
	}
	set(false)
	if err := house.engine.Retry(t.Context(), "dispatch", "c"); err != nil {
		t.Fatal(err)
	}
	for {
		house.place(t, "c")
		d.mu.Lock()
		overtaken := len(d.done["c"]) > 0 && d.done["c"][0] > 1
		d.mu.Unlock()
		if overtaken {
			return // as it must come
		}
		if house.orders["c"] > arrivals*rounds {
			t.Fatal("a key was released with letters and nothing overtook them: the test would not see the fault it is for")
		}
	}
}

// forgetful shows no letters.
type forgetful struct{ *memory.Store }

func (f forgetful) DeadLetters() carillon.DeadLetters { return noLetters{f.Store.DeadLetters()} }

type noLetters struct{ carillon.DeadLetters }

func (noLetters) Letters(context.Context, string, string, carillon.Position, int) ([]carillon.DeadLetter, error) {
	return nil, nil
}

// race parks a key, and has orders arrive while it is released, in rounds.
func race(t *testing.T, house *depot, set func(broken bool), rounds, arrivals int) {
	t.Helper()
	for range rounds {
		set(true)
		house.place(t, "c")
		for len(house.parked(t)) == 0 {
			runtime.Gosched()
		}
		set(false)
		for i := range arrivals - 1 {
			if i == arrivals/4 {
				if err := house.engine.Retry(t.Context(), "dispatch", "c"); err != nil && !errors.Is(err, carillon.ErrNotFound) { // released already
					t.Fatal(err)
				}
			}
			house.place(t, "c")
		}
		for len(house.parked(t)) > 0 {
			runtime.Gosched()
		}
	}
	head, err := house.log.Head(t.Context())
	if err != nil || head != carillon.Position(rounds*arrivals) {
		t.Fatal(head, err)
	}
	if err := house.engine.Wait(t.Context(), "dispatch", head); err != nil {
		t.Fatal(err)
	}
	for len(house.parked(t)) > 0 { // passed, but parked behind others
		runtime.Gosched()
	}
}

// TestAFoldIsParked parks the event and what comes behind it of its key; a mended fold, in the next version of the program, folds them
// in order when it starts.
func TestAFoldIsParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sums := func(fail bool) *projection.Model[[]int] {
			return projection.Keyed("sums", projection.On("order.placed", func(numbers []int, e ordered) []int {
				if fail && e.Number == 3 {
					panic("three")
				}
				return append(slices.Clone(numbers), e.Number)
			}))
		}
		house, stop := newDepot(t, sums(true))
		for range 5 {
			house.place(t, "a")
			house.place(t, "b")
		}
		event := message(t, "order.placed", "no order")
		event.Key = "c"
		_, err := house.log.Append(t.Context(), carillon.Append{Events: []carillon.Message{event}})
		if err != nil {
			t.Fatal(err)
		}
		house.orders["b"], house.orders["a"] = 5, 5
		<-time.After(time.Minute)
		port := house.store.DeadLetters()
		letters, err := port.Letters(t.Context(), "sums", "a", 0, 10)
		if err != nil || len(letters) != 3 || letters[0].Stack == "" || letters[0].First.IsZero() || letters[2].Attempts != 0 {
			t.Errorf("letters %+v, error %v", letters, err)
		}
		undecoded, err := port.Letters(t.Context(), "sums", "c", 0, 10)
		if err != nil || len(undecoded) != 1 {
			t.Errorf("the event that cannot be decoded: letters %+v, error %v", undecoded, err)
		}
		stop()
		house.engine = projection.NewEngine(house.log, house.store)
		mended := sums(false)
		if err := house.engine.Add(mended); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- house.engine.Run(ctx) }()
		<-time.After(time.Minute)
		for _, customer := range []string{"a", "b"} {
			row, err := projection.NewView(mended, house.store.ReadModels(), codec.JSON()).Get(t.Context(), customer)
			if err != nil || !slices.Equal(row.State, []int{1, 2, 3, 4, 5}) {
				t.Errorf("customer %s has %v, error %v", customer, row.State, err)
			}
		}
		if keys, err := port.Keys(t.Context(), "sums"); err != nil || len(keys) != 1 || keys[0].Key != "c" {
			t.Errorf("parked keys %+v, error %v", keys, err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestADiscardedKeyIsReleased: when the last letter of a key is discarded while the reactor runs, its next event is handled.
func TestADiscardedKeyIsReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatch(0, func(_ string, number int) bool { return number == 1 })
		house, stop := newDepot(t, d.reactor())
		defer stop()
		house.place(t, "a")
		<-time.After(time.Minute)
		keys := house.parked(t)
		if len(keys) != 1 {
			t.Fatal(keys)
		}
		if err := house.store.DeadLetters().Discard(t.Context(), "dispatch", keys[0].Key, keys[0].First); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Second)
		house.place(t, "a")
		<-time.After(2 * time.Second)
		d.mu.Lock()
		defer d.mu.Unlock()
		if got := d.done["a"]; !slices.Equal(got, []int{2}) || len(house.parked(t)) > 0 {
			t.Errorf("orders %v are dispatched, parked %v, want order 2 alone", got, house.parked(t))
		}
	})
}

// TestTheRestOfADiscardedKeyGoesOn: once its first letter is discarded, a running reactor goes on with the others by itself.
func TestTheRestOfADiscardedKeyGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatch(0, func(_ string, number int) bool { return number%2 == 1 })
		house, stop := newDepot(t, d.reactor())
		defer stop()
		for range 4 {
			house.place(t, "a")
		}
		<-time.After(time.Minute)
		for _, want := range []struct {
			done []int
			left int64
		}{{[]int{2}, 2}, {[]int{2, 4}, 0}} {
			keys := house.parked(t)
			if len(keys) != 1 {
				t.Fatal(keys)
			}
			if err := house.store.DeadLetters().Discard(t.Context(), "dispatch", keys[0].Key, keys[0].First); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
			d.mu.Lock()
			done := slices.Clone(d.done["a"])
			d.mu.Unlock()
			letters, err := house.store.DeadLetters().Letters(t.Context(), "dispatch", keys[0].Key, 0, 10)
			if err != nil || !slices.Equal(done, want.done) || int64(len(letters)) != want.left {
				t.Errorf("orders %v are dispatched, %d letters left, error %v, want %v and %d", done, len(letters), err, want.done, want.left)
			}
			if len(letters) > 0 && letters[0].Attempts != 1 { // one that failed is not tried on and on
				t.Errorf("the next one was tried %d times", letters[0].Attempts)
			}
		}
	})
}

// shaky is a store whose letters cannot be read a few times.
type shaky struct {
	*memory.Store
	failures atomic.Int64
}

func (s *shaky) DeadLetters() carillon.DeadLetters { return shakyLetters{s.Store.DeadLetters(), s} }

type shakyLetters struct {
	carillon.DeadLetters
	store *shaky
}

func (l shakyLetters) Letters(ctx context.Context, consumer, key string, after carillon.Position, limit int) ([]carillon.DeadLetter, error) {
	if l.store.failures.Add(-1) >= 0 {
		return nil, errBroken
	}
	return l.DeadLetters.Letters(ctx, consumer, key, after, limit)
}

// TestTheTryAtTheStartIsMade although the store fails when it is due: nobody asks for it later.
func TestTheTryAtTheStartIsMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatch(0, func(string, int) bool { return true })
		store := &shaky{Store: memory.Volatile()}
		house, stop := openDepot(t, d.reactor(), store.Store, store)
		for _, customer := range []string{"a", "b", "a"} {
			house.place(t, customer)
		}
		<-time.After(time.Minute)
		stop()
		d.repair()
		store.failures.Store(3)
		orders := house.orders
		house, stop = openDepot(t, d.reactor(), store.Store, store)
		defer stop()
		<-time.After(time.Minute)
		if wrong := d.violations(orders); len(wrong) > 0 || len(house.parked(t)) > 0 {
			t.Errorf("not dispatched in order: %v, parked %v", wrong, house.parked(t))
		}
	})
}
