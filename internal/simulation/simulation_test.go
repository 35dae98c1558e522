package simulation

import (
	"flag"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

var (
	oneSeed  = flag.Uint64("seed", 0, "run this seed alone; its trace is printed with -v")
	manySeed = flag.Int("seeds", 2000, "how many seeds TestSeeds runs, and how many a planted bug may take")
)

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1) // a run is one thread of events
	debug.SetGCPercent(800)
	m.Run()
}

// outcome is what came of a seed.
type outcome struct {
	seed  uint64
	found *violation
	trace trace
	took  time.Duration // in fake time
}

// simulate runs one seed and writes down what happens.
func simulate(t *testing.T, seed uint64, planted bug) outcome {
	t.Helper()
	return run(t, seed, planted, true)
}

// look runs one seed, and again to write down what happens when something is found: that takes time, and most seeds find nothing.
func look(t *testing.T, seed uint64, planted bug) outcome {
	t.Helper()
	o := run(t, seed, planted, false)
	if o.found != nil {
		again := simulate(t, seed, planted)
		again.found = o.found
		return again
	}
	return o
}

func run(t *testing.T, seed uint64, planted bug, traced bool) outcome {
	t.Helper()
	o := outcome{seed: seed}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(seed, planted)
		w.traced = traced
		o.found = w.run(t.Context())
		o.trace, o.took = w.trace, time.Since(w.began)
	})
	return o
}

// report fails the test with what a person needs to look at a run again.
func (o outcome) report(t *testing.T) {
	t.Helper()
	t.Fatalf("seed %d: %s\n\nto run it again: go test ./internal/simulation -run TestSeeds -seed %d -v\n\nwhat happened last:\n%s",
		o.seed, o.found, o.seed, o.trace.last(60))
}

func TestSeeds(t *testing.T) {
	if *oneSeed > 0 {
		o := simulate(t, *oneSeed, noBug)
		if testing.Verbose() {
			t.Logf("seed %d, trace %s:\n%s", o.seed, o.trace.hash(), o.trace.last(math.MaxInt))
		}
		if o.found != nil {
			o.report(t)
		}
		return
	}
	began := time.Now()
	var simulated time.Duration
	for seed := range uint64(*manySeed) {
		o := look(t, seed+1, noBug)
		if o.found != nil {
			o.report(t)
		}
		simulated += o.took
	}
	took := time.Since(began)
	t.Logf("%d seeds: %v simulated in %v, %.0f times as fast", *manySeed, simulated.Round(time.Second), took, simulated.Seconds()/took.Seconds())
}

func TestReplaysAreIdentical(t *testing.T) {
	for seed := range uint64(20) {
		seed++
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			first := simulate(t, seed, noBug)
			for n := range 10 {
				again := simulate(t, seed, noBug)
				if again.trace.hash() != first.trace.hash() {
					t.Fatalf("replay %d differs: %s", n+1, difference(first.trace, again.trace))
				}
			}
		})
	}
}

// difference shows where two traces part.
func difference(a, b trace) string {
	one, other := a.sorted(), b.sorted()
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			const before, after = 20, 3
			part := func(lines []line) string {
				t := trace{lines[max(0, i-before):min(len(lines), i+after)]}
				return t.last(before + after)
			}
			return fmt.Sprintf("line %d\n%s\ninstead of\n%s", i+1, part(other), part(one))
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(other), len(one))
}

func TestPlantedBugsAreFound(t *testing.T) {
	for _, planted := range bugs() {
		t.Run(string(planted), func(t *testing.T) {
			for seed := range uint64(*manySeed) {
				if o := run(t, seed+1, planted, false); o.found != nil {
					t.Logf("found by seed %d: %s", o.seed, o.found)
					return
				}
			}
			t.Fatalf("not found by %d seeds", *manySeed)
		})
	}
}
