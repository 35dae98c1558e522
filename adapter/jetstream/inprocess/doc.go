// Package inprocess runs a NATS server inside the program, and moves messages through its streams.
//
//	broker := inprocess.Directory("data/broker")
//
// The server listens nowhere: the program alone reaches it, without a socket. One process has a directory at a time, guarded by a
// lock file in it; another is refused with [carillon.ErrInUse].
//
// Delivery, order and what is kept under which name are those of package jetstream. A confirmed message is flushed to the disk.
// What voids that: [FlushedLater], a network filesystem, and a disk that lies about flushing. The store that the messages come from
// is the truth: a directory that is gone is made anew, empty, and what was not confirmed or not consumed comes from the store again. For
// that a store keeps what it has handed over for as long as the topic's retention, 7 days by default, and remembers for longer what was
// handled; a memory store keeps nothing.
package inprocess
