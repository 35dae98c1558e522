package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

const (
	// firstPause and lastPause bound the wait between tries of a failing projection; it doubles from one to the other.
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
	// drainLimit is how long a batch under way may take to finish after the engine is told to stop.
	drainLimit = 10 * time.Second
	// gatherLimit is how far a read model nobody waits for may lie behind while events come in crowds.
	gatherLimit = 120 * time.Millisecond
)

// runner takes one definition through the log.
type runner struct {
	engine   *Engine
	name     string
	kind     string
	part     segment
	work     worker
	progress progress
	local    atomic.Bool // this process runs it
	parking  parking     // names what is parked, for the retries
	nudge    chan struct{}
	pausing  pausing

	rebuilding turn
	mu         turn // held while the worker starts or applies a batch, and while a rebuild switches
	at         carillon.Position
	interrupt  context.CancelCauseFunc // ends the following under way, nil before the first
}

// errMoved says that a rebuild has moved the checkpoint: follow again from there.
var errMoved = errors.New("checkpoint moved")

func newRunner(e *Engine, definition Definition, part segment, w worker) *runner {
	r := &runner{engine: e, name: definition.Name(), kind: definition.Describe().Kind, part: part, work: w, nudge: make(chan struct{}, 1)}
	r.rebuilding, r.mu = newTurn(), newTurn()
	r.parking = newParking(e, r.name, part)
	r.progress.state = Stopped
	return r
}

// run follows the log until the context ends, trying again after failures.
func (r *runner) run(ctx context.Context) {
	pause, random := firstPause, r.engine.chance.fork()
	for ctx.Err() == nil {
		r.rest(ctx)
		before := r.progress.status().Position
		err := r.follow(ctx)
		if errors.Is(err, errReshaped) {
			r.progress.enter(Rebuilding, nil)
			err = r.reshape(ctx)
			if err == nil {
				continue
			}
		}
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errMoved) {
			continue
		}
		if errors.Is(err, errOutdated) {
			r.progress.enter(Outdated, nil)
			rest(ctx, outdatedLook)
			continue
		}
		if errors.Is(err, carillon.ErrLeaseLost) {
			break
		}
		if r.progress.status().Position > before {
			pause = firstPause
		}
		r.progress.enter(Failing, err)
		r.engine.logger.Error("projection failed, trying again", slog.String("projection", r.name),
			slog.Duration("after", pause), slog.Any("error", err))
		rest(ctx, about(random, pause))
		pause = min(2*pause, lastPause)
	}
	r.progress.enter(Stopped, nil)
}

func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow applies batch after batch. It returns an error always: the context's, errMoved, or what went wrong.
func (r *runner) follow(ctx context.Context) error {
	following, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	at, err := r.begin(ctx, interrupt)
	if err != nil {
		return err
	}
	untried := r.parkedBefore(ctx)
	retrying, stopRetries := context.WithCancel(following)
	var retries sync.WaitGroup
	retries.Go(func() { r.retries(retrying, untried) })
	defer retries.Wait()
	defer stopRetries()
	if reactor, ok := r.work.(*reactorWorker); ok {
		if err := reactor.run(following, at, &r.progress); err != nil {
			return err
		}
		if errors.Is(context.Cause(following), errMoved) {
			return errMoved
		}
		return ctx.Err()
	}
	working, stop := detach(ctx, drainLimit)
	defer stop()
	gather := gatherLimit
	if _, ok := r.work.(*forwardWorker); ok { // somebody waits at the other end
		gather = 0
	}
	for batch, err := range r.engine.log.Follow(following, at, eventlog.Prepare(r.work.prepare), eventlog.Gather(gather, r.progress.hurry)) {
		if errors.Is(context.Cause(following), errMoved) {
			return errMoved
		}
		if ctx.Err() != nil {
			r.leave(working, at)
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := r.apply(working, batch, at); err != nil {
			return err
		}
		at = batch.Through
	}
	return ctx.Err()
}

// leave has the worker write what it has put off, and how far it has come, before it ends: whoever comes next, or looks meanwhile, finds the
// read model as of there. Where that fails nothing is lost but the work of doing it again.
func (r *runner) leave(ctx context.Context, at carillon.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at != at {
		return
	}
	r.work.leave(true)
	defer r.work.leave(false)
	if reached, err := r.safely(ctx, eventlog.Batch{Through: at, CaughtUp: true}, at); err == nil {
		r.progress.reach(reached, time.Now())
	}
}

// begin has the worker start and reads the checkpoint from the store.
func (r *runner) begin(ctx context.Context, interrupt context.CancelCauseFunc) (carillon.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupt = interrupt
	if err := r.agree(ctx); err != nil {
		return 0, err
	}
	if err := r.work.start(ctx); err != nil {
		return 0, err
	}
	at, err := checkpoint(ctx, r.engine.store.ReadModels(), r.ref())
	if err != nil {
		return 0, err
	}
	r.at = at
	r.progress.reach(at, time.Now())
	r.progress.enter(CatchingUp, nil)
	return at, nil
}

// ref names the segment in the store.
func (r *runner) ref() carillon.ModelRef {
	return carillon.ModelRef{Name: r.name, Segment: r.part.index}
}

// checkpoint returns how far a segment has come, 0 when the store does not know it.
func checkpoint(ctx context.Context, models carillon.ReadModels, ref carillon.ModelRef) (carillon.Position, error) {
	_, at, err := models.Row(ctx, ref, "")
	if errors.Is(err, carillon.ErrNotFound) {
		err = nil
	}
	return at, err
}

func (r *runner) apply(ctx context.Context, batch eventlog.Batch, from carillon.Position) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at != from {
		return errMoved
	}
	if len(batch.Entries) > 0 {
		reached, err := r.observed(ctx, batch, from)
		r.progress.reach(reached, time.Now())
		if err != nil {
			r.at = reached
			return err
		}
		r.at = batch.Through
	}
	if batch.CaughtUp {
		r.progress.enter(Live, nil)
	} else if len(batch.Entries) > 0 {
		r.progress.enter(CatchingUp, nil)
	}
	return nil
}

// pollElsewhere is how often the store is asked how far another process has come.
const pollElsewhere = 20 * time.Millisecond

// wait returns once a position is passed, here or in another process.
func (r *runner) wait(ctx context.Context, position carillon.Position) error {
	if r.engine.claims == nil {
		return r.progress.wait(ctx, r.name, position)
	}
	for {
		if r.local.Load() {
			look, cancel := context.WithTimeout(ctx, lookEvery)
			err := r.progress.wait(look, r.name, position)
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
			continue
		}
		at, err := checkpoint(ctx, r.engine.store.ReadModels(), r.ref())
		if err == nil && at >= position {
			return nil
		}
		rest(ctx, pollElsewhere)
		if ctx.Err() != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("read model %q is at position %d in another process, waited for %d: %w", r.name, at, position, carillon.ErrTimeout)
			}
			return ctx.Err()
		}
	}
}

// safely applies a batch; a panic there is this projection's failure, not the process's end.
func (r *runner) safely(ctx context.Context, batch eventlog.Batch, from carillon.Position) (reached carillon.Position, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			reached, err = r.progress.status().Position, fmt.Errorf("projection %q panicked: %v", r.name, cause)
		}
	}()
	return r.work.apply(ctx, batch, from)
}

// rebuild has the worker rebuild, and moves the runner to where the new model stands.
func (r *runner) rebuild(ctx context.Context, asked rebuilding) error {
	r.rebuilding.Lock()
	defer r.rebuilding.Unlock()
	start := time.Now()
	lease, release, err := r.claimRebuild(ctx)
	if err != nil {
		return fmt.Errorf("rebuild %q: %w", r.name, err)
	}
	defer release()
	asked.lease = lease
	paused := false
	pause := func() {
		if !paused {
			r.mu.Lock()
			paused = true
		}
	}
	at, err := r.work.rebuild(ctx, pause, asked)
	if paused {
		defer r.mu.Unlock()
	}
	if w, ok := r.work.(fingerprinted); ok && err == nil && at >= 0 {
		err = changeSettings(ctx, r.engine.store.ReadModels(), r.name, func(s *settings) {
			s.Segments = r.part.of
			s.remember(w.fingerprint())
		})
	}
	if err != nil {
		if paused && r.interrupt != nil { // half done: follow again from where the checkpoint stands now
			r.at = -1
			r.interrupt(errMoved)
		}
		return fmt.Errorf("rebuild %q: %w", r.name, err)
	}
	if at < 0 { // the old one was kept
		return nil
	}
	if !paused {
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	r.at = at
	r.progress.reach(at, time.Now())
	r.engine.logger.Info("read model rebuilt", slog.String("projection", r.name),
		slog.Int64("position", int64(at)), slog.Duration("took", time.Since(start)))
	return nil
}

func (r *runner) status(head carillon.Position) Status {
	status := r.progress.status()
	status.Name, status.Kind = r.name, r.kind
	if r.engine.claims != nil && !r.local.Load() && status.State == Stopped {
		status.State = Elsewhere
	}
	status.Lag = max(int64(head-status.Position), 0)
	return status
}

// detach returns a context that ends a while after its parent, so that what is under way can finish.
func detach(parent context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		rest(ctx, limit)
		cancel()
	})
	return ctx, func() {
		stop()
		cancel()
	}
}
