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
package sqlite
