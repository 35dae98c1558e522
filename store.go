package carillon

import "context"

// Store is a database opened: everything that must share one transaction.
type Store interface {
	Log() Log
	ReadModels() ReadModels
	Snapshots() Snapshots
	// Close waits for what is under way, releases the store and may be called twice.
	Close() error
}

// Opener opens a store. Making an Opener does no I/O; Open does.
type Opener interface {
	Open(ctx context.Context) (Store, error)
}
