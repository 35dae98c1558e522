package eventlog_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that no test, and nothing a test has ended, leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
