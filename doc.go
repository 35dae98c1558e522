// Package carillon holds the words and the ports of Carillon: what a message, an event, a guard, a log and a read model
// are, and nothing that runs. It imports the standard library alone, so business code that imports it stays portable.
//
// Read the files in this order, they fit one sitting:
//
//	message.go    the envelope every part passes on, and its kinds
//	event.go      events, as a decision returns them and as the log returns them
//	tag.go        tags, the labels a boundary across streams is drawn with
//	query.go      which events: any of these types and all of these tags
//	guard.go      the three guards an append may carry
//	log.go        the port of an event store
//	store.go      a database opened: a log, read models, snapshots
//	readmodel.go  the port read models, checkpoints and their transaction go through
//	snapshot.go   the port of the snapshot cache
//	codec.go      values to bytes and back
//	blobs.go      the port of a place for large payloads
//	handler.go    handlers and middleware are functions
//	errors.go     every error a caller may compare or inspect
//	describe.go   what a part says of itself
//	trace.go      the trace context a message carries
//	observer.go   the port of what watches a service
//
// The engines stand one level down: [github.com/carillon-go/carillon/eventlog] appends and follows,
// [github.com/carillon-go/carillon/sourcing] decides, [github.com/carillon-go/carillon/cqrs] dispatches,
// [github.com/carillon-go/carillon/projection] folds read models, and [github.com/carillon-go/carillon/app] runs them.
//
// Guarantees. An acknowledged append is on disk at the store's default settings. Positions are gap-free and become visible
// in order, so a reader that remembers one position never skips an event. Delivery is at least once; a read model and its
// checkpoint commit together, so processing is effectively once.
package carillon
