package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// world is one run: the database, the processes that share it, those who send commands, and what all of them did.
//
// Nothing in it depends on how goroutines are scheduled. Whatever happens between a process and the database takes a time that
// follows from the seed and from what is asked for, and no two such moments are the same.
type world struct {
	seed  uint64
	plan  plan
	bug   bug
	began time.Time
	quiet chan struct{} // closed when there are no more faults
	halt  chan struct{} // closed when the run is over, by its end or by a violation

	goroutines sync.WaitGroup

	mu        sync.Mutex // guards all below, and all of the database and the audit
	halted    bool
	calm      bool           // no more faults
	mended    bool           // what is started from now on can handle everything
	taken     map[int64]bool // moments that are somebody's
	traced    bool           // what happens is written down
	trace     trace
	database  *database
	audit     *audit
	processes []*process
	holders   []*session     // those whose name among the leases is known
	ops       map[string]*op // commands under way, by id
	working   int            // clients that are not done
}

func newWorld(seed uint64, b bug) *world {
	w := &world{
		seed: seed, plan: newPlan(seed), bug: b, began: time.Now(), halt: make(chan struct{}), quiet: make(chan struct{}),
		taken: make(map[int64]bool), ops: make(map[string]*op),
	}
	w.database = newDatabase(w)
	w.audit = newAudit(w)
	for n := range w.plan.processes {
		w.processes = append(w.processes, &process{world: w, name: fmt.Sprintf("p%d", n+1), ended: make(chan struct{})})
	}
	return w
}

// run lets everything happen, and returns what the audit found, nil for nothing.
func (w *world) run(ctx context.Context) *violation {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range w.processes {
		w.do(func() { p.operate(ctx) })
	}
	for n := range w.plan.clients {
		c := &client{world: w, name: fmt.Sprintf("c%d", n+1)}
		w.working++
		w.do(func() { c.work(ctx) })
	}
	w.working++
	w.do(func() { (&operator{world: w}).work(ctx) })
	w.do(func() {
		w.pass(w.plan.deploy)
		w.locked(func() {
			w.mended = true
			w.note("mended")
		})
	})
	w.pass(between(w.roll("calm"), w.plan.faulty, w.plan.faulty+time.Second))
	w.locked(func() {
		w.calm = true
		close(w.quiet)
		w.note("calm")
	})
	w.settle()
	cancel()
	for _, p := range w.processes {
		p.await()
	}
	w.locked(func() { w.audit.finish() })
	w.stop()
	w.goroutines.Wait()
	return w.audit.found
}

// settle returns when all that was asked for is done and known everywhere. It is a violation when that takes too long.
func (w *world) settle() {
	for deadline := time.Now().Add(w.plan.patience); ; {
		var behind string
		w.locked(func() { behind = w.audit.behind() })
		if behind == "" || w.over() {
			return
		}
		if time.Now().After(deadline) {
			w.locked(func() { w.audit.violate("liveness", "%v after the last fault %s", w.plan.patience, behind) })
			return
		}
		w.pass(between(w.roll("look"), 150*time.Millisecond, 350*time.Millisecond))
	}
}

func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// do runs f on a goroutine that the run waits for.
func (w *world) do(f func()) { w.goroutines.Go(f) }

// stop ends the run: nothing waits any more, and no call reaches the database.
func (w *world) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopLocked()
}

func (w *world) stopLocked() {
	if !w.halted {
		w.halted = true
		close(w.halt)
	}
}

func (w *world) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.halted
}

// pass lets a while pass.
func (w *world) pass(while time.Duration) {
	_ = w.await(context.Background(), w.moment(while)) // this context does not end
}

// moment returns a moment about a while from now that is nobody else's.
func (w *world) moment(while time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := time.Now().Add(while)
	for w.taken[at.UnixNano()] {
		at = at.Add(time.Nanosecond)
	}
	w.taken[at.UnixNano()] = true
	return at
}

// await returns at a moment, or when the context or the run ends; only the context makes an error of it.
func (w *world) await(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.halt:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// roll returns a source of chance for something that happens. It follows from the seed, from what happens and from when, and from
// nothing else.
func (w *world) roll(what string) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(what))
	return rand.New(rand.NewPCG(w.seed^uint64(time.Since(w.began))<<20, hash.Sum64()))
}

// note adds to the trace; the caller holds the lock.
func (w *world) note(format string, args ...any) {
	if !w.traced {
		return
	}
	w.trace.add(time.Since(w.began), fmt.Sprintf(format, args...))
}

// between draws a duration evenly from a range.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}
