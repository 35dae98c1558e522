package consume_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/carillon-go/carillon/consume"
)

func TestRetryPause(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		retry    consume.Retry
		failures int
		want     time.Duration
	}{
		{"the first by default", consume.Retry{}, 1, 100 * time.Millisecond},
		{"doubles", consume.Retry{}, 4, 800 * time.Millisecond},
		{"the last below the limit", consume.Retry{}, 9, 25600 * time.Millisecond},
		{"at the limit", consume.Retry{}, 10, 30 * time.Second},
		{"after very many failures", consume.Retry{}, 1 << 30, 30 * time.Second},
		{"a first beyond the last", consume.Retry{First: time.Minute, Last: time.Second}, 1, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.retry.Pause(test.failures); got != test.want {
				t.Errorf("pause %v, want %v", got, test.want)
			}
		})
	}
}

// TestRetryPauseIsSpread looks at pauses between a first and a second attempt: all of the range is used and nothing beyond.
func TestRetryPauseIsSpread(t *testing.T) {
	t.Parallel()
	shortest, longest := time.Hour, time.Duration(0)
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		core := consume.NewScheduler[string](0, consume.Settings{Random: random})
		if err := core.Offer(consume.Delivery[string]{Position: 1}); err != nil {
			t.Fatal(err)
		}
		var tasks [1]consume.Task[string]
		core.Take(tasks[:])
		core.Fail(tasks[0], errors.New("no"), time.Unix(0, 0))
		wait, _ := core.NextWake(time.Unix(0, 0))
		shortest, longest = min(shortest, wait), max(longest, wait)
	}
	if shortest > 5*time.Millisecond || longest < 95*time.Millisecond || longest > 100*time.Millisecond {
		t.Errorf("pauses from %v to %v, want 0 to 100 ms", shortest, longest)
	}
}
