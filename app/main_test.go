package app_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that a service that has ended leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
