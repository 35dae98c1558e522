package clients_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// subscription notes that it was closed.
type subscription struct {
	closed bool
	err    error
}

func (s *subscription) Close() error {
	s.closed = true
	return s.err
}

var errBroken = errors.New("broken")

func TestLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l clients.Lifetime[*subscription]
		stays, left := &subscription{err: errBroken}, &subscription{}
		if err := errors.Join(l.Join(stays), l.Join(left)); err != nil {
			t.Fatal(err)
		}
		l.Leave(left)
		_, end, err := l.Begin(t.Context(), time.Hour, carillon.ErrTimeout)
		if err != nil {
			t.Fatal(err)
		}
		later := make(chan struct{})
		l.Go(func() { <-later })
		ended := make(chan error, 2)
		last := 0
		for range 2 {
			go func() { ended <- l.Close(func() error { last++; return nil }) }()
		}
		for _, step := range []func(){func() {}, end} {
			step()
			synctest.Wait()
			if len(ended) > 0 || last > 0 {
				t.Fatal("closed before all had ended")
			}
		}
		if !stays.closed || left.closed {
			t.Errorf("the one that stayed is closed: %t, the one that left: %t", stays.closed, left.closed)
		}
		if _, _, err := l.Begin(t.Context(), time.Hour, nil); !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("a call gives error %v, want ErrClosed", err)
		}
		if err := l.Join(left); !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("joining gives error %v, want ErrClosed", err)
		}
		close(later)
		for range 2 {
			if err := <-ended; !errors.Is(err, errBroken) {
				t.Errorf("closing gives error %v, want that of the subscription", err)
			}
		}
		if last != 1 {
			t.Errorf("what is last was done %d times", last)
		}
	})
}

func TestACallIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l clients.Lifetime[*subscription]
		ctx, end, err := l.Begin(t.Context(), time.Second, carillon.ErrTimeout)
		if err != nil {
			t.Fatal(err)
		}
		defer end()
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, carillon.ErrTimeout) {
			t.Errorf("it ended with %v, want ErrTimeout", cause)
		}
	})
}
