package conformance

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// brokenBroker is a broker with one fault, and the checks that must each find it.
type brokenBroker struct {
	fault    string
	open     BrokerOpener
	caughtBy []string
}

func brokenBrokers() []brokenBroker {
	return slices.Concat(
		brokenTopics(),
		brokenErrors(),
		brokenPublishing(),
		brokenFullTopics(),
		brokenPassage(),
		brokenDelivery(),
		brokenClaims(),
		brokenSettling(),
		brokenDeadlines(),
		brokenSharing(),
		brokenClosing(),
	)
}

func TestEveryBrokenBrokerIsCaught(t *testing.T) {
	t.Parallel()
	for _, broken := range brokenBrokers() {
		t.Run(broken.fault, func(t *testing.T) {
			t.Parallel()
			settings := testSettings(t)
			for _, name := range broken.caughtBy {
				check := brokerCheckNamed(t, name)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						defer letPass(t.Context(), 2*checkPatience) // for what the check has left behind
						err := check.against(t.Context(), t, broken.open, settings)
						if _, skipped := errors.AsType[skip](err); skipped || err == nil {
							t.Fatalf("it was not caught: %v (seed %d)", err, settings.seed)
						}
						t.Log(err)
					})
				})
			}
		})
	}
}

func TestEveryCheckCatchesABrokenBroker(t *testing.T) {
	t.Parallel()
	var catching []string
	for _, broken := range brokenBrokers() {
		catching = append(catching, broken.caughtBy...)
	}
	for _, check := range brokerChecks() {
		if !slices.Contains(catching, check.name) {
			t.Errorf("no broken broker shows that the check %q can fail", check.name)
		}
	}
}

func brokerCheckNamed(t *testing.T, name string) brokerCheck {
	t.Helper()
	checks := brokerChecks()
	i := slices.IndexFunc(checks, func(c brokerCheck) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return checks[i]
}
