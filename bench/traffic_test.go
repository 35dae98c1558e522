package main

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// callback is a carrier that calls the handler as a function says.
type callback func(batch []parcel, handle receiver) error

// over makes a carrier to a crossing's handler.
func (c callback) over(to *crossing) carrier { return calling{c, to.receive} }

type calling struct {
	callback

	handle receiver
}

func (c calling) send(_ context.Context, _ int, batch []parcel) error {
	return c.callback(batch, c.handle)
}
func (calling) close() error { return nil }

// once hands every message over, and counts.
func once(count *atomic.Int64) callback {
	return func(batch []parcel, handle receiver) error {
		for i := range batch {
			count.Add(1)
			if err := handle(batch[i].payload); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	for _, traffic := range []traffic{inBatches(), oneByOne(), alone()} {
		var count atomic.Int64
		over := newCrossing(traffic)
		got, err := over.run(t.Context(), once(&count).over(over), 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if want := count.Load() - int64(traffic.all()); got.done != want || got.done == 0 { // the first round does not count
			t.Errorf("%+v: %d messages were counted, want %d", traffic, got.done, want)
		}
		if alone := traffic.all() == 1; alone != (got.facts[median] > 0) {
			t.Errorf("%+v: the median is %v", traffic, got.facts)
		}
	}
}

// TestPayloads are as long as all others, and tell their numbers apart.
func TestPayloads(t *testing.T) {
	t.Parallel()
	c := newCrossing(inBatches())
	seen := map[string]bool{}
	for round := range int64(3) {
		for caller := range c.callers {
			for _, p := range c.parcels(caller, round) {
				if len(p.payload) != payloadBytes || seen[string(p.payload)] || !strings.Contains(string(p.payload), `"customer":"`+p.key+`"`) {
					t.Fatalf("message of %s: %s", p.key, p.payload)
				}
				seen[string(p.payload)] = true
			}
		}
	}
}

// TestTrafficThatGoesAstray: what comes twice counts once, and what never comes is missed.
func TestTrafficThatGoesAstray(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		over := newCrossing(inBatches())
		twice := callback(func(batch []parcel, handle receiver) error {
			for range 2 {
				if err := once(&count)(batch, handle); err != nil {
					return err
				}
			}
			return nil
		})
		if err := over.round(t.Context(), twice.over(over), 0); err != nil {
			t.Error(err)
		}
		losing := callback(func(batch []parcel, handle receiver) error { return once(&count)(batch[1:], handle) })
		err := over.round(t.Context(), losing.over(over), 1)
		if err == nil || !strings.Contains(err.Error(), "63 of the messages") {
			t.Errorf("a message was lost: %v", err)
		}
	})
}
