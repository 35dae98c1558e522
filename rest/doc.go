// Package rest serves commands, queries and read models over HTTP, as the service's contract knows them.
//
//	rest.Serve("127.0.0.1:8080",
//		rest.Command[OpenAccount]("POST /accounts"),
//		rest.Query[Largest]("GET /accounts"),
//		rest.Get("GET /accounts/{id}", balances))
//
// The API is described at /openapi.json (OpenAPI 3.1) and shown at /docs, which loads nothing from the network. Types describe
// themselves: json tags name fields, and the tags doc, enum, minimum, maximum, minLength, maxLength and pattern are shown and checked.
//
// # Requests
//
// A command is a JSON body of at most 1 MiB, with Content-Type application/json. Unknown fields, fields in another case, keys that
// stand twice, data behind the document and nesting deeper than 100 are refused; so are unknown parameters of the query string.
// Lists in answers are never null.
//
//	Idempotency-Key    the command's id: sent again under the same key, the command answers its original result
//	If-Match: "3"      the command is refused unless its aggregate has this version
//	If-None-Match: *   the command is refused if its aggregate is there; with a row's ETag, an unchanged row is not sent again
//	Carillon-Position  on a query: answer once the read model has passed this position
//	Traceparent        W3C trace context, with Tracestate: carried on with the message
//
// The answer to a command carries the position of its last event as Carillon-Position and the version of its aggregate as ETag.
// A query that sends the position back sees what the command did, or is told after a bounded wait that it cannot yet.
//
// # Problems
//
// Every error is a [Problem], also at paths that do not exist:
//
//	400 malformed                a body that is no JSON document
//	400 parameter                a parameter or header that cannot be read, or is unknown
//	403 cross-origin             a command from a page of another site
//	404 unknown-route            nothing is served at the path
//	404 not-found                carillon.ErrNotFound; a row that is not there
//	405 method-not-allowed       the path takes other methods
//	409 rejected                 carillon.ErrRejected, with the decision's reason
//	409 conflict                 carillon.ErrConflict, after the retries
//	412 stale                    If-Match or If-None-Match does not hold
//	413 too-large                a body over the limit; carillon.ErrTooLarge
//	415 unsupported-media-type   a body that is not application/json
//	422 invalid                  carillon.ErrInvalid: unknown or missing fields, wrong types, what Validate refuses
//	422 idempotency-key-reused   carillon.ErrCommandReused: the key came with another command before
//	500 internal                 everything else; the cause is logged under the id in instance, and not told
//	503 unavailable              carillon.ErrDiskFull, carillon.ErrClosed; nothing was changed
//	503 outcome-unknown          carillon.ErrOutcomeUnknown: send the same command under the same key again
//	504 read-model-behind        the read model has not passed the position in time
//	504 timeout                  carillon.ErrTimeout
//
// Guarantees. A command that was answered without a problem is as durable as the store makes it. With an Idempotency-Key a command
// may be sent any number of times and is carried out once; what it was refused with is not remembered. Handlers run concurrently.
// When the service stops, requests under way are finished first.
package rest
