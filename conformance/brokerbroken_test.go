package conformance

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func brokerCheckNamed(t *testing.T, name string) brokerCheck {
	t.Helper()
	checks := brokerChecks()
	i := slices.IndexFunc(checks, func(c brokerCheck) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return checks[i]
}

var _ = errors.New
var _ = synctest.Test
