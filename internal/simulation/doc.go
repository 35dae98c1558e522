// Package simulation runs whole applications against a simulated database that several simulated processes share: real logs,
// deciders, projections and reactors, and a store whose calls fail, hang, crash their process and lose their replies, as a seed says.
//
// One seed is one run, in fake time. The same seed gives the same run, so that a failure can be looked at again:
//
//	go test ./internal/simulation -run TestSeeds -seed 42 -v
//
// The package holds tests and nothing else.
package simulation
