// Package crashes holds tests of several processes on one PostgreSQL store: they are killed, paused, cut off and started again, and so
// is the server. The processes are the test binary itself, started anew with a job in its environment.
package crashes
