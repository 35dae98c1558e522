// Package processes runs the workers of tests that kill, pause and stop processes: the test binary itself, started anew with a job in its
// environment. A worker comes to named points, at which it may end by kill -9 or be held, and keeps in a ledger what was acknowledged to
// it.
package processes
