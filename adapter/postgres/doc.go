// Package postgres keeps log, read models, checkpoints, snapshots, leases and dead letters in one schema of a PostgreSQL database,
// for several processes at once.
//
// A batch of appends is one round trip: a function takes the lock of the log before it reads a guard, gives consecutive positions
// and writes what the guards allow. So positions appear in the order of commits and without gaps, and a reader that asks for what
// stands behind a position never skips anything. The isolation level is READ COMMITTED throughout; any higher default of the
// database does no harm.
package postgres
