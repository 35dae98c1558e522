// Package projection turns the log into read models, and events into effects.
//
//	var balances = projection.Keyed("balances", projection.On("account.opened", Balance.Opened))
//
// A keyed projection ([Keyed]) is a pure fold with one state for each key, which the framework stores. A SQL projection ([SQL])
// writes tables of its own. Both may be rebuilt at any time. A reactor ([React]) has side effects and an explicit start; it is
// another type, so a rebuild cannot reach it.
//
// Guarantees. A read model and its checkpoint commit in one transaction, so every event is folded effectively once, also after
// kill -9. Events come in the order of the log and none is skipped: a fold that fails stops its own projection, which says so
// in its [Status] and tries again, while the others go on. A reactor's delivery is at least once: after a crash the events since
// its checkpoint come again.
package projection
