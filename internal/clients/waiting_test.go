package clients_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// state is what a subscription is in from a moment on.
type state struct {
	from      time.Duration
	waits     int // messages
	connected bool
	err       error
}

func TestReceive(t *testing.T) {
	t.Parallel()
	const patience = time.Second
	tests := []struct {
		name   string
		states []state
		took   time.Duration
		taken  int
		err    error
	}{
		{"there is something", []state{{waits: 2, connected: true}}, 0, 2, nil},
		{"something comes", []state{{connected: true}, {from: time.Hour, waits: 1, connected: true}}, time.Hour, 1, nil},
		{"something is left of a lost connection", []state{{waits: 1}}, 0, 1, nil},
		{"the connection is lost", []state{{connected: true}, {from: time.Minute}}, time.Minute + patience, 0, carillon.ErrUnavailable},
		{"it is lost for a moment", []state{{}, {from: patience / 2, connected: true}, {from: time.Hour, waits: 1, connected: true}}, time.Hour, 1, nil},
		{
			"it is lost again",
			[]state{{}, {from: patience / 2, connected: true}, {from: patience * 3 / 4}},
			patience*3/4 + patience, 0, carillon.ErrUnavailable,
		},
		{"the subscription is closed", []state{{connected: true}, {from: time.Minute, err: carillon.ErrClosed}}, time.Minute, 0, carillon.ErrClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				more, began := make(chan struct{}, 1), time.Now()
				var now atomic.Pointer[state]
				now.Store(&test.states[0])
				change := func() {
					for i := range test.states[1:] {
						next := &test.states[i+1]
						<-time.After(next.from - time.Since(began))
						now.Store(next)
						more <- struct{}{}
					}
				}
				if len(test.states) > 1 {
					go change()
				}
				waiting := clients.Waiting{More: more, Patience: patience, Lost: func(context.Context) error { return carillon.ErrUnavailable }}
				taken, err := clients.Receive(t.Context(), waiting, func() ([]int, bool, error) {
					at := now.Load()
					return make([]int, at.waits), at.connected, at.err
				})
				if took := time.Since(began); len(taken) != test.taken || !errors.Is(err, test.err) || took != test.took {
					t.Errorf("%d taken, error %v, after %v; want %d, %v, %v", len(taken), err, took, test.taken, test.err, test.took)
				}
			})
		})
	}
}

func TestReceiveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := clients.Receive(ctx, clients.Waiting{}, func() ([]int, bool, error) { return nil, true, nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
	})
}
