// Package handoff holds tests of the way of a message from producers through a broker to consumers and their store, each a process of its
// own: they are killed, paused and restarted, and so are the broker and the store, and no message is lost and no effect happens twice. The
// producers, and the consumers, are the test binary itself, started anew with a job in its environment.
package handoff
