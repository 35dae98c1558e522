package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
)

// keyOf is a key of a partition.
func keyOf(partition, partitions int) string {
	for n := 0; ; n++ {
		if key := fmt.Sprintf("k%d", n); carillon.Partition(key, partitions) == partition {
			return key
		}
	}
}

// try receives what comes within a moment.
func try(t testing.TB, s carillon.Subscription) []carillon.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got, err := s.Receive(ctx, 100)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return got
}
