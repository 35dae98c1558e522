// Package sqlite keeps a log, read models and snapshots in one SQLite file, with no server beside the program.
//
//	bank := app.New(sqlite.File("bank.db"), ...)
//
// What an acknowledgement means: the commit is in the write-ahead log and flushed to the disk (synchronous=FULL), so it
// survives kill -9 and power loss. What voids that: a network filesystem (refused), a disk that lies about flushing, and
// [WithPossibleLoss].
//
// One process writes, guarded by a lock file beside the database; others may read the same file with [ReadOnly]. Readers never
// block the writer, and hold no transaction between pages.
//
// The store is a broker too, for the program's own services: topics, their messages and subscriptions, and the inbox are tables of the
// same file, so that what a transaction of a read model publishes is published by its commit, and what it receives is remembered by it.
//
//   - Delivery is at least once. Messages of a key come in the order of the commits that published them, also while consumers come and go.
//   - A confirm means what an acknowledgement does. What a transaction of [carillon.Refoldable] durability publishes may be undone by a
//     power cut together with its checkpoint.
//   - A message is deleted once every subscription has had it, or when it is older than the topic's retention; a receipt when it is
//     older than [InboxRetention].
package sqlite
