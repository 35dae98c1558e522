package main

import "testing"

func TestPayloadSize(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3, 749, 750, 999_999, 5_000_000, 999_999_999} {
		if payload := payloadFor(n, customerKey(n%1000)); len(payload) != payloadBytes {
			t.Errorf("event %d has %d bytes, want %d: %s", n, len(payload), payloadBytes, payload)
		}
	}
}
