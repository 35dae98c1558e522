// Package middleware keeps a service upright while what it calls is slow, overloaded or away.
//
//	payments := middleware.NewBreaker("payments", middleware.WithLogger(logger))
//	limit := middleware.Bulkhead("payments", 16)
//
//	bus := cqrs.NewBus(contract, middleware.Timeout(time.Second))                  // commands and queries
//	client := &http.Client{Transport: middleware.Transport(nil,                   // outgoing HTTP
//		middleware.Retry(), payments.Middleware, limit, middleware.Timeout(time.Second))}
//	receipt, err := middleware.Call(ctx, "charge", charge, payments.Middleware)   // any call, such as one in a handler of messages
//
// A policy is a [carillon.Middleware]. It is made once and used wherever its subject is called: what it counts, it counts over all those
// places. The first of several is outermost; the order above is the usual one: each attempt of a retry asks the breaker, and each call
// has the whole of its time.
//
// Errors. A call that a policy lets nobody make is [ErrOpen], [ErrFull] or [ErrLimited], all of them [carillon.ErrUnavailable]: a consumer
// of messages does not count such an attempt, and the message's key waits in order. A failure on which a breaker opens, or which finds it
// open, is [ErrOpen] too. A call that took too long is [carillon.ErrTimeout].
//
// An answer is no failure, whatever it says. A rejection, a conflict, something invalid, unknown or too large, and what is marked with
// [consume.Permanent], is passed on as it is: it is not tried again, no breaker counts it as a failure, and no fallback replaces it. Nor
// is it a failure when the caller gave up.
//
// All policies are safe for concurrent use. None starts goroutines that outlive a call.
package middleware
