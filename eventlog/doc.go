// Package eventlog makes an event store of an adapter's log port: it checks appends, groups concurrent ones into one commit
// with a verdict for each, and follows the log from any position into the present.
//
//	log := eventlog.New(store.Log())
//	done, err := log.Append(ctx, carillon.Append{Stream: "account-1", Expect: carillon.NoStream(), Events: events})
//	for batch, err := range log.Follow(ctx, 0) { ... }
//
// Guarantees. An append that returned without error is durable at the store's level. Positions are gap-free and in the order
// of commits, so a follower that continues after the last position it has seen never skips an event. A lone append waits for
// nobody: it is flushed at once. Everything here is safe for concurrent use.
package eventlog
