package carillon

import (
	"context"
	"time"
)

// Lease is a claim on a name for a while. Its epoch rises whenever the claim changes hands, so that what a former holder still
// writes can be told from what the present one writes.
type Lease struct {
	Name   string
	Holder string
	Epoch  int64
}

// LeaseInfo is a lease as an observer sees it.
type LeaseInfo struct {
	Lease
	// Left is how long it runs by the store's clock; not above zero when it has run out or was released.
	Left time.Duration
}

// Leases is the port of claims between the processes that share a store. Time is the store's clock, never a process's.
//
// All methods are safe for concurrent use.
type Leases interface {
	// Claim takes the lease of a name that nobody holds, or whose time has run out, and gives it a new epoch. The lease of
	// another holder that still runs is refused with [ErrLeaseHeld]; one's own is renewed and keeps its epoch.
	Claim(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error)

	// Renew extends every lease of a holder that has not been claimed by another, and returns them. It need not extend one that a
	// transaction is fenced with at the moment.
	Renew(ctx context.Context, holder string, ttl time.Duration) ([]Lease, error)

	// Release gives leases up, so that others need not wait. A lease that is lost already is passed over.
	Release(ctx context.Context, leases ...Lease) error

	// List returns the leases whose names begin with a prefix, in order of name.
	List(ctx context.Context, prefix string) ([]LeaseInfo, error)
}

// LeaseStore is implemented by stores that several processes may share: it says who does what.
type LeaseStore interface {
	Leases() Leases
}

// FencedTx is a [ReadModelTx] of a store with leases.
type FencedTx interface {
	// Fence makes the transaction fail with [ErrLeaseLost] unless the lease still has this epoch. It keeps the lease from changing
	// hands until the transaction ends, however long ago the lease ran out: a process that was paused cannot commit once it was
	// replaced.
	Fence(lease Lease) error
	// Generation tells the models apart that have had this name: [ReadModels.Switch] brings one that was never there before, also
	// when the checkpoint stays where it is. It is above zero, and the same for all segments.
	Generation() int64
}
