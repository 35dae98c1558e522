// Package consume is the runtime of consumers: it takes deliveries from a source and runs a handler over them, in order per
// key and in parallel across keys.
//
//	consumer := consume.New(source, handle, commit, consume.After(checkpoint), consume.Parked(keys...))
//	err := consumer.Run(ctx)
//
// A [Consumer] is the runtime: workers, time, retries of a failing commit, shutdown. What it does next is decided by a
// [Scheduler], a deterministic core without goroutines, clock or locks that a simulation can drive as well.
//
// Guarantees. The deliveries of a key run in the order of their positions, one at a time; a delivery without a key waits for
// no other. Delivery is at least once: a delivery that was in flight, or complete and not committed, when the process ended
// comes again. A failing delivery is tried again after a pause and blocks its key alone. When its attempts are used up it is
// parked, with its cause, and the later deliveries of its key are parked behind it until the key is released. The checkpoint
// never passes a delivery that is neither done nor parked in the same durable write. Everything held is bounded.
package consume
