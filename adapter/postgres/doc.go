// Package postgres keeps log, read models, checkpoints, snapshots, leases and dead letters in one schema of a PostgreSQL database,
// for several processes at once.
//
// A batch of appends is one round trip: a function takes the lock of the log before it reads a guard, gives consecutive positions
// and writes what the guards allow. So positions appear in the order of commits and without gaps, and a reader that asks for what
// stands behind a position never skips anything. The isolation level is READ COMMITTED throughout; any higher default of the
// database does no harm.
//
// The store is a broker too: topics, their messages and subscriptions, and the inbox are tables of the same schema, so that what a
// transaction of a read model publishes is published by its commit, and what it receives is remembered by it.
//
//   - Delivery is at least once. Messages of a key come in the order of the commits that published them, also while consumers come, go
//     and die: a partition is one consumer's, by a lease of the database's clock with an epoch that every checkpoint is checked against.
//   - A confirm means that the message is committed and flushed. What voids that: fsync, full_page_writes or synchronous_commit turned
//     off, which is refused unless [WithPossibleLoss] is given, and a disk that lies about flushing.
//   - Transactions that publish to one topic wait for each other's commits, since positions are given last and without gaps. Messages
//     of other processes are found by polling, every 10 to 200 milliseconds.
//   - A message is deleted once every subscription has had it, or when it is older than the topic's retention; a receipt when it is
//     older than [InboxRetention].
package postgres
