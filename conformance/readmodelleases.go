package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

func leaseChecks() []check {
	return []check{
		{"lease claim", checkLeaseClaim},
		{"lease expiry", checkLeaseExpiry},
		{"lease renewal", checkLeaseRenewal},
		{"lease release", checkLeaseRelease},
		{"lease list", checkLeaseList},
		{"lease race", checkLeaseRace},
	}
}

const (
	// long outlasts any check.
	long = time.Hour
	// short runs out within a check.
	short = 150 * time.Millisecond
)

// leases returns the store's leases.
func (s *subject) leases() (carillon.Leases, error) {
	store, ok := s.store.(carillon.LeaseStore)
	if !ok {
		return nil, skip("the store is no carillon.LeaseStore")
	}
	return store.Leases(), nil
}

// claims demands that a claim succeeds, with an epoch after another.
func claims(ctx context.Context, leases carillon.Leases, name, holder string, ttl time.Duration, after int64) (carillon.Lease, error) {
	lease, err := leases.Claim(ctx, name, holder, ttl)
	switch {
	case err != nil:
		return lease, fmt.Errorf("%s claims %q: %w", holder, name, err)
	case lease.Name != name || lease.Holder != holder:
		return lease, fmt.Errorf("%s claims %q and gets lease %+v", holder, name, lease)
	case lease.Epoch <= after:
		return lease, fmt.Errorf("%s claims %q and gets epoch %d, want one after %d", holder, name, lease.Epoch, after)
	}
	return lease, nil
}

// heldBy demands that a lease is held by another than the one who asks.
func heldBy(ctx context.Context, leases carillon.Leases, name, other string) error {
	if lease, err := leases.Claim(ctx, name, other, long); !errors.Is(err, carillon.ErrLeaseHeld) {
		return fmt.Errorf("%s claims %q, which another holds: lease %+v, error %w, want ErrLeaseHeld", other, name, lease, errOrNil(err))
	}
	return nil
}

// poll calls done until it reports true.
func poll(ctx context.Context, done func() (bool, error)) error {
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ended, err := done(); ended || err != nil {
			return err
		}
		select {
		case <-limited.Done():
			return fmt.Errorf("it did not happen in time: %w", limited.Err())
		case <-ticker.C:
		}
	}
}

// runOut waits until the time of a lease has run out.
func runOut(ctx context.Context, leases carillon.Leases, name string) error {
	return poll(ctx, func() (bool, error) {
		infos, err := leases.List(ctx, name)
		if err != nil || len(infos) == 0 {
			return true, err
		}
		return infos[0].Left <= 0, nil
	})
}

// checkLeaseClaim claims what is free, what is held and what is one's own.
func checkLeaseClaim(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	first, err := claims(ctx, leases, "model/1", "ann", long, 0)
	if err != nil {
		return err
	}
	for _, other := range []string{"bob", "Ann", ""} {
		if err := heldBy(ctx, leases, "model/1", other); err != nil {
			return err
		}
	}
	again, err := leases.Claim(ctx, "model/1", "ann", long)
	if err != nil || again != first {
		return fmt.Errorf("ann claims what she holds as %+v: lease %+v, error %w, want the same", first, again, errOrNil(err))
	}
	for _, name := range []string{"model/2", "Model/1", "model/1 ", "model/%"} {
		if _, err := claims(ctx, leases, name, "bob", long, 0); err != nil {
			return fmt.Errorf("another name: %w", err)
		}
	}
	return heldBy(ctx, leases, "model/1", "bob")
}

// checkLeaseExpiry waits for a lease to run out and has another claim it.
func checkLeaseExpiry(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	for round, after := 0, int64(0); round < 3; round++ {
		begun := time.Now()
		former, err := claims(ctx, leases, "model/1", "ann", short, after)
		if err != nil {
			return err
		}
		var present carillon.Lease
		err = poll(ctx, func() (bool, error) {
			claimed, err := leases.Claim(ctx, "model/1", "bob", long)
			present = claimed
			if errors.Is(err, carillon.ErrLeaseHeld) {
				return false, nil
			}
			return true, err
		})
		if err != nil {
			return fmt.Errorf("bob claims a lease that runs out: %w", err)
		}
		if waited := time.Since(begun); waited < short*9/10 { // clocks differ in pace
			return fmt.Errorf("a lease of %s was given to another after %s", short, waited)
		}
		if present.Epoch <= former.Epoch || present.Holder != "bob" {
			return fmt.Errorf("lease %+v was taken over as %+v, want bob's with a later epoch", former, present)
		}
		if err := heldBy(ctx, leases, "model/1", "ann"); err != nil {
			return fmt.Errorf("after the lease was taken over: %w", err)
		}
		if err := leases.Release(ctx, present); err != nil {
			return fmt.Errorf("release: %w", err)
		}
		after = present.Epoch
	}
	return nil
}

// checkLeaseRenewal renews what is held, what has run out and nobody wanted, and what was lost.
func checkLeaseRenewal(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	held := make([]carillon.Lease, 3)
	for i := range held {
		if held[i], err = claims(ctx, leases, fmt.Sprint("model/", i), "ann", short, 0); err != nil {
			return err
		}
	}
	if _, err := claims(ctx, leases, "model/3", "bob", long, 0); err != nil {
		return err
	}
	for i := range held {
		if err := runOut(ctx, leases, held[i].Name); err != nil {
			return err
		}
	}
	if err := leases.Release(ctx, held[1]); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	lost, err := claims(ctx, leases, held[2].Name, "bob", long, held[2].Epoch)
	if err != nil {
		return err
	}
	renewed, err := leases.Renew(ctx, "ann", long)
	if err != nil || !slices.Equal(renewed, held[:1]) {
		return fmt.Errorf("ann renews %+v, error %w, want %+v: the second was released, the third taken over", renewed, errOrNil(err), held[:1])
	}
	if err := heldBy(ctx, leases, held[0].Name, "bob"); err != nil {
		return fmt.Errorf("after the renewal: %w", err)
	}
	if err := heldBy(ctx, leases, lost.Name, "ann"); err != nil {
		return fmt.Errorf("after a renewal by the former holder: %w", err)
	}
	if _, err := claims(ctx, leases, held[1].Name, "bob", long, held[1].Epoch); err != nil {
		return fmt.Errorf("what was released is not renewed: %w", err)
	}
	if renewed, err = leases.Renew(ctx, "nobody", long); err != nil || len(renewed) != 0 {
		return fmt.Errorf("who holds nothing renews %+v, error %w", renewed, errOrNil(err))
	}
	return nil
}

// checkLeaseRelease gives leases up, those that are lost among them.
func checkLeaseRelease(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	first, err := claims(ctx, leases, "model/1", "ann", long, 0)
	if err != nil {
		return err
	}
	second, err := claims(ctx, leases, "model/2", "ann", long, 0)
	if err != nil {
		return err
	}
	kept, err := claims(ctx, leases, "model/3", "ann", long, 0)
	if err != nil {
		return err
	}
	if err := leases.Release(ctx, first, second); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	taken, err := claims(ctx, leases, "model/1", "bob", long, first.Epoch)
	if err != nil {
		return fmt.Errorf("after its release: %w", err)
	}
	if _, err := claims(ctx, leases, "model/2", "ann", long, second.Epoch); err != nil {
		return fmt.Errorf("after her own release: %w", err)
	}
	if err := heldBy(ctx, leases, kept.Name, "bob"); err != nil {
		return fmt.Errorf("what was not released: %w", err)
	}
	unknown := carillon.Lease{Name: "nobody's", Holder: "ann", Epoch: 7}
	if err := leases.Release(ctx, first, second, unknown); err != nil {
		return fmt.Errorf("release of leases that are lost: %w", err)
	}
	if err := errors.Join(heldBy(ctx, leases, taken.Name, "ann"), heldBy(ctx, leases, "model/2", "bob")); err != nil {
		return fmt.Errorf("after the release of a lease that was lost: %w", err)
	}
	if err := leases.Release(ctx); err != nil {
		return fmt.Errorf("release of nothing: %w", err)
	}
	return nil
}

// checkLeaseList lists leases by prefix.
func checkLeaseList(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	held := make(map[string]carillon.Lease)
	for _, name := range []string{"b/1", "a/2", "a/10", "A/1", "a%/1", "a_/1", `a\/1`, "é/1"} {
		if held[name], err = claims(ctx, leases, name, "ann", long, 0); err != nil {
			return err
		}
	}
	for _, tt := range []struct {
		prefix string
		want   []string
	}{
		{"", []string{"A/1", "a%/1", "a/10", "a/2", `a\/1`, "a_/1", "b/1", "é/1"}},
		{"a/", []string{"a/10", "a/2"}},
		{"a%", []string{"a%/1"}},
		{"a_", []string{"a_/1"}},
		{`a\`, []string{`a\/1`}},
		{"é", []string{"é/1"}},
		{"/1", nil},
	} {
		infos, err := leases.List(ctx, tt.prefix)
		if err != nil || len(infos) != len(tt.want) {
			return fmt.Errorf("leases with prefix %q: %+v, error %w, want %q", tt.prefix, infos, errOrNil(err), tt.want)
		}
		for i, info := range infos {
			if info.Lease != held[tt.want[i]] {
				return fmt.Errorf("leases with prefix %q: number %d is %+v, want %+v", tt.prefix, i+1, info.Lease, held[tt.want[i]])
			}
			if info.Left <= long-time.Minute || info.Left > long {
				return fmt.Errorf("lease %+v runs for %s, it was claimed just now for %s", info.Lease, info.Left, long)
			}
		}
	}
	if err := leases.Release(ctx, held["b/1"]); err != nil {
		return err
	}
	infos, err := leases.List(ctx, "b/")
	if err != nil || len(infos) > 1 || len(infos) == 1 && infos[0].Left > 0 {
		return fmt.Errorf("a released lease is listed as %+v, error %w", infos, errOrNil(err))
	}
	return nil
}

// checkLeaseRace has many claim one name: one wins, and no epoch is given twice.
func checkLeaseRace(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	last := int64(0)
	for round := range s.sizes.Rounds {
		ttl := long
		if round%2 == 1 {
			ttl = time.Microsecond // several may hold it one after another
		}
		var mu sync.Mutex
		var won []carillon.Lease
		racers, racersCtx := newGroup(ctx)
		for racer := range s.sizes.Racers {
			racers.start(func() error {
				lease, err := leases.Claim(racersCtx, "model/1", fmt.Sprint("racer-", racer), ttl)
				if errors.Is(err, carillon.ErrLeaseHeld) {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				won = append(won, lease)
				return err
			})
		}
		if err := racers.wait(); err != nil {
			return fmt.Errorf("one of many claims: %w", err)
		}
		slices.SortFunc(won, func(a, b carillon.Lease) int { return int(a.Epoch - b.Epoch) })
		if len(won) == 0 || ttl == long && len(won) > 1 {
			return fmt.Errorf("round %d: of %d who claim one name for %s, %d get it: %+v", round+1, s.sizes.Racers, ttl, len(won), won)
		}
		for _, lease := range won {
			if lease.Epoch <= last {
				return fmt.Errorf("round %d: %+v were given after epoch %d: an epoch is given once, and they rise", round+1, won, last)
			}
			last = lease.Epoch
		}
		if err := leases.Release(ctx, won...); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	return nil
}
