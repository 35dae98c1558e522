package faultproxy_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/faultproxy"
	"github.com/carillon-go/carillon/internal/processes"
)

// The bounds. A call of the port takes its limit at most, and what waits behind another twice that; the rest is for a busy machine.
const (
	callBound    = 2*limit + 3*time.Second
	recoverBound = 30 * time.Second
	endBound     = time.Minute
)

// strike is a fault in the series.
type strike struct {
	fault faultproxy.Fault
	fails bool // calls cannot succeed while it lasts
}

func strikes() []strike {
	return []strike{
		{faultproxy.Delay(100 * time.Millisecond), false},
		{faultproxy.Cut(), true},
		{faultproxy.HalfOpen(), true},
		{faultproxy.Slow(8 << 10), false},
		{faultproxy.Reset(), true},
		{faultproxy.OneWay(faultproxy.ToServer), true},
		{faultproxy.OneWay(faultproxy.ToClient), true},
	}
}

// TestFaultsBetweenServiceAndBroker has every fault strike a service under load, one after the other.
func TestFaultsBetweenServiceAndBroker(t *testing.T) {
	t.Parallel()
	for _, b := range brokers() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			suffer(t, b, 1, 500*time.Millisecond)
		})
	}
}

// TestNightlyFaultsBetweenServiceAndBroker has the faults come again and again, and last longer each time.
func TestNightlyFaultsBetweenServiceAndBroker(t *testing.T) {
	processes.Nightly(t)
	t.Parallel()
	for _, b := range brokers() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			suffer(t, b, 15, time.Second)
		})
	}
}

// suffer runs a service under load through rounds of all faults. A fault lasts until the port has shown what it does to a call that began
// under it, and for a while in the first round, twice as long in the second and so on.
func suffer(t *testing.T, b broker, rounds int, while time.Duration) { //nolint:thelper // it is the test
	p, opener := b.open(t)
	s := start(t, opener)
	l := s.load(20 * time.Millisecond)
	for round := range rounds {
		for _, strike := range strikes() {
			began := time.Now()
			p.Set(strike.fault)
			processes.AwaitFor(t, "a call of the port shows the fault", time.Duration(round)*while+endBound, func() bool {
				begun, failed := l.calls.read()
				return time.Since(began) > time.Duration(round+1)*while && begun.After(began) && (!strike.fails || failed.After(began))
			})
			lasted := time.Since(began)
			p.Heal()
			published, publishedDirectly := l.published()
			took := processes.AwaitFor(t, "what was published until "+strike.fault.String()+" was over has its effects", recoverBound, func() bool {
				return s.settled(outboxed, published) && s.settled(direct, publishedDirectly)
			})
			t.Logf("%s for %v: recovered after %v", strike.fault, lasted.Round(time.Millisecond), took.Round(time.Millisecond))
		}
	}
	l.end()
	l.judge()
	l.judgeTheCareless()
	if n := p.Connections(); n > mostConnections {
		t.Errorf("%d connections are open in the end", n)
	}
}

// mostConnections is how many connections three brokers have, at most.
const mostConnections = 64

// published is how much was published of each key.
func (l *load) published() (throughOutbox, directly []int) {
	for key := range keys {
		throughOutbox = append(throughOutbox, int(l.outboxed[key].Load()))
		directly = append(directly, int(l.direct[key].Load()))
	}
	return throughOutbox, directly
}

// judge checks that everything had its effect once and in order, and how the calls of the port ended.
func (l *load) judge() {
	l.t.Helper()
	published, directly := l.published()
	for consumer, want := range map[string][]int{outboxed: published, direct: directly} {
		processes.AwaitFor(l.t, "everything has its effects", endBound, func() bool { return l.settled(consumer, want) })
		for key, n := range want {
			if got := l.done(consumer, key); got != (effects{Count: n, Next: n}) {
				l.t.Errorf("%s, %s: %d were published, the effects are %+v", consumer, name(key), n, got)
			}
		}
		parked, err := l.effects.DeadLetters().Keys(l.t.Context(), consumer)
		if err != nil || len(parked) > 0 {
			l.t.Errorf("%s: parked are %v, %v", consumer, parked, err)
		}
	}
	l.calls.mu.Lock()
	defer l.calls.mu.Unlock()
	for _, err := range l.calls.wrong {
		l.t.Errorf("the port gave an error that is none of its own: %v", err)
	}
	if l.calls.longest > callBound {
		l.t.Errorf("a call of the port took %v", l.calls.longest)
	}
	l.t.Logf("%v through the outbox and %v directly, %d calls failed, the longest took %v", published, directly, l.calls.errors,
		l.calls.longest.Round(time.Millisecond))
}

// judgeTheCareless checks that the same faults take messages from a publisher that has no outbox and does not try again. Where the client
// goes on trying after its call has failed, as Kafka's does, there may be none.
func (l *load) judgeTheCareless() {
	l.t.Helper()
	published, got := int(l.careless.Load()), l.done(careless, 0)
	l.t.Logf("without an outbox %d of %d were lost", published-got.Count, published)
	if got.Count > published || got.Again > 0 {
		l.t.Errorf("of %d the effects are %+v", published, got)
	}
	if got.Count == published && l.port.Capabilities().Broker != "Kafka" {
		l.t.Error("nothing was lost without an outbox: the faults prove nothing")
	}
}

// TestWithoutLimitsAClientHangs asks a half-open server by a client that has no limits: it does not come back until the fault is over.
func TestWithoutLimitsAClientHangs(t *testing.T) {
	t.Parallel()
	p, url := before(t, backends.Variable(t, backends.Redis))
	options, err := redis.ParseURL(url)
	must(t, err)
	options.ReadTimeout, options.MaxRetries = -1, -1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	must(t, client.Ping(t.Context()).Err())
	p.Set(faultproxy.HalfOpen())
	answered := make(chan error, 1)
	go func() {
		answered <- client.XAdd(t.Context(), &redis.XAddArgs{Stream: unique(), Values: []string{"n", strconv.Itoa(1)}}).Err()
	}()
	select {
	case err := <-answered:
		t.Errorf("it came back: %v", err)
	case <-time.After(callBound):
	}
	p.Heal()
	if err := <-answered; err == nil {
		t.Error("a dead connection has answered")
	}
}
