// Package cqrs dispatches commands and queries to the one handler each has, by a contract of stable names.
//
//	bus, err := cqrs.NewBus(endpoints, cqrs.Use(cqrs.Validate(), cqrs.Recover()))
//	done, err := bus.Send(ctx, OpenAccount{ID: "1"}, cqrs.WithID("request-7"))
//	balance, err := cqrs.Ask[Balance](ctx, bus, BalanceOf{ID: "1"})
//
// Guarantees. Dispatch is a call in the caller's goroutine: a command is handled at most once per Send, and its error comes
// back. With an id ([WithID]) it is carried out once however often it is sent. A bus is safe for concurrent use.
package cqrs
