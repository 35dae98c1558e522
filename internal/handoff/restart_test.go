//go:build unix

package handoff_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/internal/processes"
)

// stopLimit is how long a service may take to stop: handlers have ten seconds.
const stopLimit = 10 * time.Second

// By day two producers and two consumers are restarted twice each, under 32 orders a second; by night four of both, on all brokers.
func TestRollingRestarts(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	sideBySide(t, quick, func(t *testing.T, broker string) {
		t.Helper()
		site := newSite(t, cluster, broker)
		faultlessRestarts(t, site, 2, 8)
	})
}

func TestRollingRestartsNightly(t *testing.T) {
	processes.Nightly(t)
	cluster := newCluster(t)
	for _, broker := range brokers {
		t.Run(broker, func(t *testing.T) {
			site := newSite(t, cluster, broker)
			faultlessRestarts(t, site, 4, 100)
		})
	}
}

func faultlessRestarts(t *testing.T, site *site, each, restarts int) {
	t.Helper()
	if parked := restarted(t, site, each, restarts, false); parked > 0 {
		t.Errorf("%d messages were parked: their handling was cut short, and counted as a failure", parked)
	}
	site.faultless(t)
}

// The same with handlers that fail once their process is told to stop: such a failure counts, and messages are parked.
func TestRollingRestartsThatCount(t *testing.T) {
	t.Parallel()
	site := newSite(t, newCluster(t), postgresBroker)
	if restarted(t, site, 4, 8, true) == 0 {
		t.Error("no message was parked: the test would not see a shutdown that counts as a failure")
	}
}

// restarted has so many producers, half of which append and forward, and as many consumers under load, and restarts one after the other by
// SIGTERM. A failure that counts parks its message at once: there is no second attempt. It returns how many were parked when a process had
// stopped, before its successor tried them again.
func restarted(t *testing.T, site *site, each, restarts int, countsShutdown bool) (parked int) {
	t.Helper()
	var jobs []job
	for i := range each {
		j := site.producer([]string{"publish", "append"}[i%2])
		j.Pace = 500 * time.Millisecond
		jobs = append(jobs, j)
	}
	for range each {
		j := site.consumer()
		j.Attempts, j.Work, j.CountsShutdown = 1, 20*time.Millisecond, countsShutdown
		jobs = append(jobs, j)
	}
	running := make([]*processes.Process, len(jobs))
	for i, j := range jobs {
		running[i] = processes.Start(t, jobVariable, j)
	}
	for _, p := range running {
		p.Hear(t, "running")
	}
	processes.Await(t, "messages come all the way", func() bool {
		var count int64
		err := site.db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT count(*) FROM %s WHERE stage = '%s'", site.effects(), archive)).Scan(&count)
		return err == nil && count > 100
	})
	var longest, all time.Duration
	for restart := range restarts {
		i := restart * (each + 1) % len(jobs) // producers and consumers in turn
		begin := time.Now()
		if err := running[i].Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := running[i].Wait(); err != nil {
			t.Errorf("%s did not stop in order: %v", jobs[i].Task, err)
		}
		took := time.Since(begin)
		longest, all = max(longest, took), all+took
		if took > stopLimit {
			t.Errorf("%s took %v to stop, the limit is %v", jobs[i].Task, took, stopLimit)
		}
		parked += site.letters(t)
		running[i] = processes.Start(t, jobVariable, jobs[i])
		running[i].Hear(t, "running")
	}
	t.Logf("%s: %d restarts, the longest stop took %v, all together %v; %d messages published", site.Broker, restarts,
		longest.Round(time.Millisecond), all.Round(time.Millisecond), site.ids(t))
	site.end(t)
	return parked
}
