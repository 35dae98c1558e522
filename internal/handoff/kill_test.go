//go:build unix

package handoff_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/internal/processes"
)

// brokers are those that the hand-off is proved on.
var brokers = []string{jetStreamBroker, kafkaBroker, rabbitBroker, postgresBroker}

// quick are those of them that most is shown on by day: their servers start again in a moment. By night it is all.
var quick = []string{jetStreamBroker, postgresBroker}

// sideBySide runs a subtest for each name, all of them at once: they wait for servers more than they work.
func sideBySide(t *testing.T, names []string, run func(t *testing.T, name string)) {
	t.Helper()
	var running sync.WaitGroup
	for _, name := range names {
		running.Go(func() { t.Run(name, func(t *testing.T) { run(t, name) }) })
	}
	running.Wait()
}

// By day every broker has twenty rounds, in three of which it is killed itself and in three the store, and on JetStream and PostgreSQL each
// named point is hit once.
func TestKilled(t *testing.T) {
	t.Parallel()
	sideBySide(t, brokers, func(t *testing.T, broker string) {
		t.Helper()
		day := size{ids: 1000, rounds: 20, pace: 400 * time.Millisecond}
		if slices.Contains(quick, broker) {
			day.hits = 1
		}
		testKilled(t, broker, day)
	})
}

func TestKilledNightly(t *testing.T) {
	processes.Nightly(t)
	for _, broker := range brokers {
		t.Run(broker, func(t *testing.T) {
			testKilled(t, broker, size{ids: 100_000, rounds: 200, hits: 50, pace: 50 * time.Millisecond})
		})
	}
}

// size is how much of a test is run.
type size struct {
	ids    int64 // messages, at least
	rounds int   // kills at random
	hits   int   // of each named point
	pace   time.Duration
}

// Four producers, the broker, four consumers and the store are killed with kill -9 and started again, at random and at named points: every
// message whose publishing was acknowledged has had each of its effects once, and those of an account in their order.
func testKilled(t *testing.T, broker string, size size) {
	site := newOwnSite(t, broker)
	begin := time.Now()
	house := newHouse(t, site, size.pace, size.hits)
	house.flows()
	house.rounds(size.rounds)
	t.Logf("%s: rounds ended after %v: %s", broker, time.Since(begin).Round(time.Millisecond), house.summary())
	house.points()
	t.Logf("%s: points ended after %v: %s", broker, time.Since(begin).Round(time.Millisecond), house.summary())
	house.enough(size.ids)
	v := site.faultless(t)
	house.close()
	t.Logf("%s: %+v in %v; killed %s", broker, v, time.Since(begin).Round(time.Millisecond), house.summary())
}

// One process on a SQLite file, which is producer, broker, consumers and store, is killed at every named point and at random.
func TestKilledAlone(t *testing.T) {
	t.Parallel()
	testKilledAlone(t, 2)
}

func TestKilledAloneNightly(t *testing.T) {
	processes.Nightly(t)
	testKilledAlone(t, 50)
}

func testKilledAlone(t *testing.T, hits int) {
	site := newFileSite(t)
	j := site.producer("all")
	j.Pace, j.Attempts = 5*time.Millisecond, 5
	counts := make(map[string]int)
	for range hits {
		for _, point := range []string{"", "published", "entered", "received", "begun", "handled", "committed", "acked"} {
			next := j
			next.Point = point
			p := processes.Start(t, jobVariable, next)
			if point == "" {
				p.Hear(t, "running")
				processes.Rest(t.Context(), 300*time.Millisecond)
				p.Kill()
			}
			dies(t, p)
			counts[point]++
		}
	}
	last := j
	last.Point = ""
	p := processes.Start(t, jobVariable, last)
	p.Hear(t, "running")
	before := site.ids(t)
	processes.Await(t, "messages are published", func() bool { return site.ids(t) > before+50 })
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	site.finish(t, last)
	v := site.faultless(t)
	t.Logf("SQLite: %+v; killed at %v", v, counts)
}

// dies waits until a process was killed.
func dies(t testing.TB, p *processes.Process) {
	t.Helper()
	select {
	case <-p.Ended():
	case <-time.After(processes.Patience):
		t.Fatal("the process did not come to the point at which it is to die")
	}
	if !p.Killed() {
		t.Fatalf("the process ended by itself: %v", p.Wait())
	}
}
