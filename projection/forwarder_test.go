package projection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// TestForward passes events on in the order of the log, the same again after a failure, and goes on from where it was.
func TestForward(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.Volatile()
		log := eventlog.New(store.Log())
		var mu sync.Mutex
		var got []carillon.Position
		calls := 0
		forward := func(_ context.Context, events []carillon.Recorded) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls%3 == 0 {
				return errors.New("the broker is away")
			}
			for i := range events {
				got = append(got, events[i].Position)
			}
			return nil
		}
		add := func(count int) {
			for range count {
				for _, typ := range []string{"thing.noted", "thing.ignored"} {
					_, err := log.Append(t.Context(), carillon.Append{Events: []carillon.Message{{Type: typ}}})
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		session := func() {
			engine := projection.NewEngine(log, store)
			if err := engine.Add(projection.Forward("out", projection.FromBeginning(), forward, "thing.noted")); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- engine.Run(ctx) }()
			add(30)
			<-time.After(time.Hour)
			stop()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		add(10)
		session()
		session()
		var want []carillon.Position
		for i := range 70 {
			want = append(want, carillon.Position(2*i+1))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestForwardMistakes(t *testing.T) {
	t.Parallel()
	store := memory.Volatile()
	nothing := func(context.Context, []carillon.Recorded) error { return nil }
	for _, definition := range []projection.Definition{
		projection.Forward("", projection.FromNow(), nothing), projection.Forward("out", projection.Start{}, nothing),
	} {
		err := projection.NewEngine(eventlog.New(store.Log()), store).Add(definition)
		if !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", fmt.Sprint(definition.Describe()), err)
		}
	}
}
