package consume_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that a stopped consumer leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
