//go:build unix

package handoff_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/processes"
)

// A consumer is stopped by SIGSTOP for longer than its deliveries are its own, while its handler has written an effect, or right before;
// another takes over and handles everything; the first goes on. What it had in hand is not committed, or changes nothing.
func TestPausedConsumer(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	sideBySide(t, brokers, func(t *testing.T, broker string) {
		t.Helper()
		sideBySide(t, []string{"handled", "begun"}, func(t *testing.T, point string) {
			t.Helper()
			paused(t, cluster, broker, point, func(*job) {}).faultless(t)
		})
	})
}

// The same where nobody is told that a delivery is lost, and the inbox lets everything through.
func TestPausedConsumerWithoutInbox(t *testing.T) {
	t.Parallel()
	pausedWithoutInbox(t, quick)
}

func pausedWithoutInbox(t *testing.T, brokers []string) {
	t.Helper()
	cluster := newCluster(t)
	sideBySide(t, brokers, func(t *testing.T, broker string) {
		t.Helper()
		site := paused(t, cluster, broker, "begun", func(j *job) { j.WithoutInbox, j.WithoutLoss = true, true })
		if v := site.judge(t); v.Duplicates == 0 {
			t.Errorf("%+v, want duplicates: the test would not see the fault it is for", v)
		}
	})
}

// paused has a consumer stop at a point with a message in hand, another one replace it, and the first go on and end the transaction.
func paused(t *testing.T, cluster *backends.Cluster, broker, point string, fault func(*job)) *site {
	t.Helper()
	site := newSite(t, cluster, broker)
	first := site.consumer()
	fault(&first)
	first.Point, first.Hold, first.Report = point, filepath.Join(t.TempDir(), "go"), true
	p := processes.Start(t, jobVariable, first)
	p.Hear(t, "running")
	before := site.producer("publish")
	before.Most = 5
	processes.Start(t, jobVariable, before)
	p.Hear(t, "holding at "+point)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	second := site.consumer()
	second.WithoutInbox = first.WithoutInbox
	processes.Start(t, jobVariable, second)
	site.published(t, before)
	processes.Await(t, "another handles everything", func() bool { return site.reached(t.Context(), t, true) })
	t.Logf("%s: another had everything after %v", broker, time.Since(begin).Round(time.Millisecond))
	if err := os.WriteFile(first.Hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if outcome := p.Hear(t, "transaction "); strings.HasSuffix(outcome, "<nil>") {
		t.Logf("%s: the paused consumer committed: %s", broker, outcome)
	} else {
		t.Logf("%s: the paused consumer was refused: %s", broker, outcome)
	}
	after := before
	after.Most = 10
	processes.Start(t, jobVariable, after)
	site.published(t, after)
	processes.Await(t, "both go on", func() bool { return site.reached(t.Context(), t, false) })
	return site
}
