//go:build unix

package handoff_test

import (
	"testing"

	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/processes"
)

// A consumer without an inbox dies after a commit and before the delivery is settled: effects happen twice, and the verdict says so.
func TestWithoutInbox(t *testing.T) {
	t.Parallel()
	withoutInbox(t, quick)
}

func withoutInbox(t *testing.T, brokers []string) {
	t.Helper()
	cluster := newCluster(t)
	sideBySide(t, brokers, func(t *testing.T, broker string) {
		t.Helper()
		v := control(t, cluster, broker, "committed", func(j *job) { j.WithoutInbox = true })
		if v.Duplicates == 0 {
			t.Errorf("%+v, want duplicates: the test would not see the fault it is for", v)
		}
	})
}

// A consumer that settles deliveries before it handles them dies between the two: effects are missing, and the verdict says so.
func TestEarlyAck(t *testing.T) {
	t.Parallel()
	earlyAck(t, quick)
}

// The controls on every broker.
func TestControlsNightly(t *testing.T) {
	processes.Nightly(t)
	withoutInbox(t, brokers)
	earlyAck(t, brokers)
	pausedWithoutInbox(t, brokers)
}

func earlyAck(t *testing.T, brokers []string) {
	t.Helper()
	cluster := newCluster(t)
	sideBySide(t, brokers, func(t *testing.T, broker string) {
		t.Helper()
		v := control(t, cluster, broker, "received", func(j *job) { j.EarlyAck = true })
		if v.Lost == 0 {
			t.Errorf("%+v, want losses: the test would not see the fault it is for", v)
		}
	})
}

// control has a consumer with a fault die at a point, another take over, and returns what the messages of before and after have come to.
func control(t *testing.T, cluster *backends.Cluster, broker, point string, fault func(*job)) verdict {
	t.Helper()
	site := newSite(t, cluster, broker)
	first := site.consumer()
	fault(&first)
	first.Point = point
	p := processes.Start(t, jobVariable, first)
	p.Hear(t, "running")
	before := site.producer("publish")
	before.Most = 5
	processes.Start(t, jobVariable, before)
	dies(t, p)
	second := site.consumer()
	second.WithoutInbox = first.WithoutInbox
	processes.Start(t, jobVariable, second)
	site.published(t, before)
	after := before // the same accounts: what comes behind a message that is missing
	after.Most = 10
	processes.Start(t, jobVariable, after)
	site.published(t, after)
	processes.Await(t, "the last message of every account has its effects", func() bool { return site.reached(t.Context(), t, false) })
	v := site.judge(t)
	t.Logf("%s: %+v", broker, v)
	return v
}

// published waits until a producer has published all it is to.
func (s *site) published(t *testing.T, j job) {
	t.Helper()
	processes.Await(t, "everything is published", func() bool {
		last, err := processes.ReadLedger(j.Ledger)
		if err != nil {
			t.Fatal(err)
		}
		var count int64
		for _, n := range last {
			count += n
		}
		return count == j.Most*int64(j.Writers)
	})
}
