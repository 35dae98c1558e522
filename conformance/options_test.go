package conformance

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		environment map[string]string
		options     []LogOption
		want        Sizes
	}{
		{name: "default", want: DefaultSizes()},
		{name: "given", options: []LogOption{WithSizes(FullSizes())}, want: FullSizes()},
		{
			name:    "given in part",
			options: []LogOption{WithSizes(Sizes{Racers: 3, HistorySteps: 7, ConcurrentCalls: 9})},
			want:    Sizes{Racers: 3, Rounds: 20, Writers: 64, TailedEvents: 4_000, Histories: 4, HistorySteps: 7, ConcurrentHistories: 20, ConcurrentCalls: 9},
		},
		{
			name:    "one racer is no race",
			options: []LogOption{WithSizes(Sizes{Racers: 1})},
			want:    Sizes{Racers: 2, Rounds: 20, Writers: 64, TailedEvents: 4_000, Histories: 4, HistorySteps: 100, ConcurrentHistories: 20, ConcurrentCalls: 500},
		},
		{
			name:        "environment over option",
			environment: map[string]string{"CARILLON_CONFORMANCE": "full"},
			options:     []LogOption{WithSizes(Sizes{Racers: 3})},
			want:        Sizes{Racers: 64, Rounds: 200, Writers: 64, TailedEvents: 1_000_000, Histories: 64, HistorySteps: 500, ConcurrentHistories: 200, ConcurrentCalls: 5_000},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := newSettings(func(name string) string { return tt.environment[name] }, tt.options...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.sizes); diff != "" {
				t.Errorf("sizes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvironmentIsChecked(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{sizesVariable: "huge", seedVariable: "0x1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newSettings(func(asked string) string {
				if asked == name {
					return value
				}
				return ""
			})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: error %v, want one that names the variable", name, value, err)
			}
		})
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	nothing := func(string) string { return "" }
	seeded, err := newSettings(nothing, WithSeed(7))
	if err != nil || seeded.seed != 7 {
		t.Errorf("seed %d, error %v; want 7", seeded.seed, err)
	}
	environment, err := newSettings(func(name string) string { return map[string]string{seedVariable: "18446744073709551615"}[name] }, WithSeed(7))
	if err != nil || environment.seed != 1<<64-1 {
		t.Errorf("seed %d, error %v; want that of the environment", environment.seed, err)
	}
	first, err := newSettings(nothing)
	if err != nil {
		t.Fatal(err)
	}
	second, err := newSettings(nothing)
	if err != nil || first.seed == second.seed {
		t.Errorf("two runs without a seed both have %d, error %v", first.seed, err)
	}
}

// TestSeedRepeatsAHistory has a broken log fail in the same way twice.
func TestSeedRepeatsAHistory(t *testing.T) {
	t.Parallel()
	open := alterAppends(func(a *carillon.Append) { a.Condition = nil })
	failure := func(seed uint64) string {
		err := named(t, "history").against(t.Context(), t, open, testSettings(t, WithSeed(seed)))
		if err == nil {
			t.Fatalf("the history with seed %d found nothing", seed)
		}
		return err.Error()
	}
	first, second := failure(20), failure(20)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the same seed, another failure (-first +second):\n%s", diff)
	}
	if other := failure(21); other == first {
		t.Errorf("another seed, the same failure: %s", other)
	}
}
