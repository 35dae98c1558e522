package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// session is the connection of one life of a process to the database: the store its engines hold. Every call meets what the seed has in
// store for it.
type session struct {
	world   *world
	process *process
	name    string
	down    chan struct{} // closed when the process crashes

	// Under the world's lock.
	dead    bool
	holder  string // what the process calls itself among the leases, which is random
	number  int    // of the last append
	givenUp []int  // appends whose outcome is unknown
	shared  map[carillon.Position]*sharedRead
	keys    map[string]*keysRead
	failed  time.Time // when one of them failed last
}

func (s *session) Log() carillon.Log               { return sessionLog{s} }
func (s *session) ReadModels() carillon.ReadModels { return sessionModels{s} }
func (s *session) Snapshots() carillon.Snapshots   { return sessionSnapshots{s} }
func (s *session) Leases() carillon.Leases         { return sessionLeases{s} }
func (s *session) Close() error                    { return nil }

// call takes a request to the database and its reply back. carry runs under the world's lock once the request has arrived, and returns
// what goes into the trace. An error that is errDoubt says that the request may have been carried out.
func (s *session) call(ctx context.Context, request string, carry func(f fate) (string, error)) error {
	what := s.name + " " + request
	if err := ctx.Err(); err != nil {
		return err
	}
	w := s.world
	f := w.fate(what)
	s.thaw(what)
	if err := w.await(ctx, w.moment(f.there/2)); err != nil { // no crash or pause comes at a moment when others begin something, too
		return err
	}
	if f.crashBefore {
		w.locked(func() { s.crash("before " + request) })
	}
	if f.pauseBefore > 0 {
		w.locked(func() { s.pause(f.pauseBefore, "before "+request) })
		s.thaw(what)
	}
	if !s.lives() {
		return errDown
	}
	if err := w.await(ctx, w.moment(f.there/2)); err != nil {
		return err
	}
	err := s.carry(request, f, carry)
	if !s.lives() {
		return doubt(errDown)
	}
	if f.crashAfter {
		w.locked(func() { s.crash("after " + request) })
		return doubt(errDown)
	}
	if f.pauseAfter > 0 {
		w.locked(func() { s.pause(f.pauseAfter, "after "+request) })
	}
	if err := w.await(ctx, w.moment(f.back)); err != nil {
		return doubt(err)
	}
	s.thaw(what)
	if f.lost && !f.refused && !w.isCalm() {
		return doubt(errLost)
	}
	return err
}

// doubt makes an error one of a request that may have been carried out.
func doubt(err error) error { return fmt.Errorf("%w: %w", errDoubt, err) }

// decided gives the error of an append or an update, as the ports have it.
func decided(err error) error {
	if errors.Is(err, errDoubt) {
		return fmt.Errorf("%w: %w", carillon.ErrOutcomeUnknown, err)
	}
	return err
}

// carry has the database carry out a request.
func (s *session) carry(request string, f fate, carry func(fate) (string, error)) error {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	switch {
	case s.world.halted || s.dead && !f.outlives:
		return errDown
	case f.refused:
		s.world.note("%s %s: refused", s.name, request)
		return errLost
	}
	outcome, err := carry(f)
	if !s.world.traced {
		return err
	}
	if err != nil {
		outcome = "failed: " + s.world.unnamed(err.Error())
	}
	if f.lost {
		outcome += " (reply lost)"
	}
	s.world.note("%s %s: %s", s.name, request, outcome)
	return err
}

// lives reports whether the process that holds this connection runs, and the simulation goes on.
func (s *session) lives() bool {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return !s.dead && !s.world.halted
}

// thaw returns when the process is not paused.
func (s *session) thaw(what string) {
	w := s.world
	for s.lives() {
		var left time.Duration
		w.locked(func() { left = time.Until(s.process.resumes) })
		if left <= 0 {
			return
		}
		w.pass(left + between(w.roll("thaw "+what), time.Microsecond, time.Millisecond))
	}
}

// crash ends this life of the process at once; the caller holds the lock.
func (s *session) crash(when string) {
	if s.dead {
		return
	}
	s.world.note("%s CRASHES %s", s.name, when)
	s.end()
	close(s.down)
}

// end lets no further call of this life reach the database; the caller holds the lock.
func (s *session) end() {
	s.dead = true
	if s.process.life != nil && s.process.life.session == s {
		s.process.life = nil
	}
}

// pause stops the process for a while, with all it has under way; the caller holds the lock.
func (s *session) pause(while time.Duration, when string) {
	if until := time.Now().Add(while); until.After(s.process.resumes) && !s.dead && !s.world.calm {
		s.world.note("%s PAUSES for %v %s", s.name, while, when)
		s.process.resumes = until
	}
}

func (w *world) isCalm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}

// outstay lets time pass inside the database, as the caller holds the lock.
func (w *world) outstay(while time.Duration) {
	w.mu.Unlock()
	defer w.mu.Lock()
	w.pass(while)
}
