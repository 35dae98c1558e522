// Package app makes a running service of a store and its parts: deciders, projections, reactors, queries and servers.
//
//	bank := app.New(sqlite.File("bank.db"), account, balances, rest.Serve(":8080", ...))
//	err := bank.Run(ctx)
//
// Guarantees. Run blocks until the context ends, then stops in this order: servers take no more requests and finish those they
// have, projections and reactors finish the batch under way, the store closes. Nothing acknowledged is lost by stopping, nor by
// kill -9.
package app
