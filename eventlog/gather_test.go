package eventlog_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// TestGather appends events one each millisecond behind a batch of some size, and looks at the next batches of a follower that
// gathers for ten.
func TestGather(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		first   int // events in the first batch
		hurry   time.Duration
		options []eventlog.FollowOption
		want    string // sizes of the batches behind the first
	}{
		{"a crowd is gathered for", 16, time.Hour, nil, "[10 1 1"},
		{"a few events are not", 15, time.Hour, nil, "[1 1 1"},
		{"until somebody waits", 16, 4500 * time.Microsecond, nil, "[4 1 1"},
		{"nobody gathers who stops", 16, time.Hour, []eventlog.FollowOption{eventlog.StopAtHead()}, "[]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPort()
				fill(t, p.Log, test.first)
				log := eventlog.New(p)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				hurry := make(chan struct{})
				time.AfterFunc(test.hurry, func() { close(hurry) })
				gather := eventlog.Gather(10*time.Millisecond+500*time.Microsecond, func() <-chan struct{} { return hurry })
				sizes := make(chan []int)
				go func() {
					var got []int
					for batch, err := range log.Follow(ctx, 0, append(test.options, gather)...) {
						if err == nil && batch.Through > carillon.Position(test.first) {
							got = append(got, len(batch.Entries))
						}
					}
					sizes <- got
				}()
				synctest.Wait()
				for i := range 20 {
					<-time.After(time.Millisecond)
					if _, err := log.Append(t.Context(), one("s", fmt.Sprint(i))); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				cancel()
				if got := fmt.Sprint(<-sizes); got[:min(len(got), len(test.want))] != test.want {
					t.Errorf("batches of %s events, want %s …", got, test.want)
				}
			})
		})
	}
}
