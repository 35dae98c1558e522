package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
)

// operator does what people do to a running system: has parked keys tried again, pauses and resumes, and rebuilds.
type operator struct {
	world *world
}

// work begins things while there are faults. Once they are over it has everything go on, and in some seeds looks whether a pause is one.
func (o *operator) work(ctx context.Context) {
	w := o.world
	r := w.roll("operator")
	for !w.over() && !w.isCalm() {
		w.pass(between(r, w.plan.orders/2, w.plan.orders))
		to := o.any(r)
		if to == nil {
			continue
		}
		switch r.IntN(4) {
		case 0:
			name := o.projection(r)
			_ = to.engine.Pause(ctx, name) // whatever becomes of it
			w.pass(between(r, time.Second, 6*time.Second))
			o.resume(ctx, r, name)
		case 1:
			for _, name := range []string{balances, notices} {
				var keys []carillon.ParkedKey
				w.locked(func() { keys = w.database.letters.keys(name) })
				if len(keys) > 0 {
					_ = to.engine.Retry(ctx, name, keys[r.IntN(len(keys))].Key)
				}
			}
		default:
			o.rebuild(ctx, r, to)
		}
	}
	for _, name := range []string{balances, rolls, notices} {
		o.resume(ctx, r, name)
	}
	if w.plan.pauses {
		o.inspect(ctx, r)
	}
	w.locked(func() { w.working-- })
}

// any is a process that is up, nil when the one that was drawn is not.
func (o *operator) any(r *rand.Rand) (to *life) {
	o.world.locked(func() { to = o.world.processes[r.IntN(len(o.world.processes))].life })
	return to
}

func (o *operator) projection(r *rand.Rand) string {
	return []string{balances, rolls, notices}[r.IntN(3)]
}

// resume repeats the order until it is known to be carried out.
func (o *operator) resume(ctx context.Context, r *rand.Rand, name string) {
	for w := o.world; !w.over(); w.pass(between(r, 50*time.Millisecond, 500*time.Millisecond)) {
		if to := o.any(r); to != nil && to.engine.Resume(ctx, name) == nil && to.session.lives() {
			return
		}
	}
}

// rebuild has a model rebuilt, also one that another version of the program parks events of.
func (o *operator) rebuild(ctx context.Context, r *rand.Rand, to *life) {
	w := o.world
	name := rolls
	if w.plan.poisoned || r.IntN(2) == 0 {
		name = balances
	}
	limited, cancel := context.WithDeadline(ctx, w.moment(between(r, 5*time.Second, 20*time.Second)))
	defer cancel()
	err := to.engine.Rebuild(limited, name)
	w.locked(func() { w.note("rebuild of %s by %s: %v", name, to.session.name, err == nil) })
}

// inspect pauses a read model when all is calm, and sees that it stands still while the log goes on.
func (o *operator) inspect(ctx context.Context, r *rand.Rand) {
	w := o.world
	w.pass(10 * time.Second) // of those that stopped for good
	for paused := false; !paused && !w.over(); w.pass(between(r, 50*time.Millisecond, 500*time.Millisecond)) {
		to := o.any(r)
		paused = to != nil && to.engine.Pause(ctx, balances) == nil
	}
	w.pass(5 * time.Second)
	before := o.checkpoints()
	c := &client{world: w, name: "inspector"}
	for n := range 3 {
		sent := &op{id: fmt.Sprintf("%s-%d", c.name, n+1), command: move{"a0", 2}}
		w.locked(func() { w.ops[sent.id] = sent })
		c.carryOut(ctx, sent, r)
		w.locked(func() { delete(w.ops, sent.id) })
	}
	w.pass(5 * time.Second)
	if after := o.checkpoints(); !slices.Equal(before, after) {
		w.locked(func() {
			w.audit.violate("a paused read model stands still", "%s went from %v to %v", balances, before, after)
		})
	}
	o.resume(ctx, r, balances)
}

// checkpoints are those of the model that is paused.
func (o *operator) checkpoints() (at []carillon.Position) {
	o.world.locked(func() {
		for i := range balancesSegments {
			at = append(at, o.world.database.checkpoint(carillon.ModelRef{Name: balances, Segment: i}))
		}
	})
	return at
}
