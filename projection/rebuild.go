package projection

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// Difference is a row in which a rebuilt read model differs from the live one, both as of one position.
type Difference struct {
	Key string
	// Old and New are the encoded rows; nil where there is none.
	Old, New []byte
}

// rebuilding is what a rebuild is asked for.
type rebuilding struct {
	report func(Difference) error
	keep   bool
	lease  *carillon.Lease // where other processes might rebuild, too
}

// RebuildOption changes what [Engine.Rebuild] does.
type RebuildOption func(*rebuilding)

// Compare has every row reported in which the new read model differs from the old one, before it takes its place. An error from report
// keeps the old one.
func Compare(report func(Difference) error) RebuildOption {
	return func(r *rebuilding) { r.report = report }
}

// KeepOld keeps the old read model, however the comparison ends: the new one is dropped.
func KeepOld() RebuildOption { return func(r *rebuilding) { r.keep = true } }

// Rebuild makes a read model anew from the first event, also while engines run, in this process or in others. A keyed one is built in a
// shadow that replaces the live rows in one step once it has caught up; tables of your own are emptied and filled again. What was parked
// is met again with all other events. A reactor is refused with [carillon.ErrUnsupported], and a read model that another process
// rebuilds with [carillon.ErrLeaseHeld].
func (e *Engine) Rebuild(ctx context.Context, name string, options ...RebuildOption) error {
	runners, err := e.find(name)
	if err != nil {
		return err
	}
	asked := rebuilding{}
	for _, option := range options {
		option(&asked)
	}
	return runners[0].rebuild(ctx, asked)
}

// claimRebuild claims the right to rebuild a read model, and keeps it until release.
func (r *runner) claimRebuild(ctx context.Context) (lease *carillon.Lease, release func(), err error) {
	c := r.engine.claims
	if c == nil {
		return nil, func() {}, nil
	}
	claimed, err := c.leases.Claim(ctx, rebuildPrefix+r.name, c.holder, c.term)
	if err != nil {
		return nil, nil, fmt.Errorf("another process rebuilds it: %w", err)
	}
	renewing, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for rest(renewing, c.term/3); renewing.Err() == nil; rest(renewing, c.term/3) {
			_, _ = c.leases.Claim(renewing, claimed.Name, c.holder, c.term) // a lease that is lost is told by the next write
		}
	}()
	return &claimed, func() {
		stop()
		<-ended
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.leases.Release(limited, claimed) // it runs out
	}, nil
}
