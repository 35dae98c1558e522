// Package sourcing makes decisions from events: a decider has an initial state, folds that evolve it, and decisions that turn
// a command into new events. Load, decide, append is done here, and done again when somebody else was faster.
//
//	var account = sourcing.Aggregate("account",
//		sourcing.On("account.opened", Account.Opened),
//		sourcing.Decide("account.open", OpenAccount.Key, Account.DecideOpen))
//
// An aggregate's boundary is one stream. A boundary that crosses streams is drawn with tags: see [Boundary].
//
// Guarantees. An event is appended only if nothing the decision read has changed since (optimistic concurrency); a conflict
// reloads and decides again, at most ten times. Commands for one key run one after another within a process, so they do not
// conflict with each other. A command sent with an id is carried out once. Decisions and folds are pure functions: they may run
// any number of times, and must not keep or change what they are given. Everything here is safe for concurrent use.
package sourcing
