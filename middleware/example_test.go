package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/middleware"
)

// One breaker and one bulkhead guard all calls to a service that is away.
func Example() {
	payments := middleware.NewBreaker("payments", middleware.OpensAfter(3, 3))
	policies := []carillon.Middleware{payments.Middleware, middleware.Bulkhead("payments", 16), middleware.Timeout(time.Second)}
	charge := func(context.Context) (string, error) { return "", errors.New("connection refused") }

	for range 4 {
		_, err := middleware.Call(context.Background(), "charge", charge, policies...)
		fmt.Println(errors.Is(err, carillon.ErrUnavailable), payments.Status().State)
	}
	// Output:
	// false closed
	// false closed
	// true open
	// true open
}
