package projection

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

const (
	// defaultTerm is how long a claim runs when it is not renewed: a dead process's segments go to others after it.
	defaultTerm = 30 * time.Second
	// lookEvery is how often a process looks for segments that are free.
	lookEvery = time.Second
	// lookBackEvery is how many looks there are to one at the checkpoints.
	lookBackEvery = 5
	// patience is how many looks in a row a segment must be free for a process to take it although it has its share.
	patience = 5
	// keepStuck is how long a process keeps a segment that nobody else would take.
	keepStuck = time.Minute

	processPrefix = "process/"
	segmentPrefix = "projection/"
	rebuildPrefix = "rebuild/"
)

// claims shares the segments of projections out among the processes of a store: each holds its share by leases, renews them, takes what
// is free and gives up what is more than its share.
type claims struct {
	engine *Engine
	leases carillon.Leases
	holder string
	term   time.Duration

	runners []*runner
	held    map[string]*tenure
	stuck   map[string]time.Time // segments that nobody else took, and when that was found out
	free    map[string]int       // looks in a row that found a segment free
	renewed time.Time
	looks   int
}

// tenure is the time a process holds a segment.
type tenure struct {
	lease carillon.Lease
	stop  context.CancelFunc
	ended chan struct{}
}

func newClaims(e *Engine, leases carillon.Leases) *claims {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return &claims{
		engine: e, leases: leases, term: defaultTerm,
		holder: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()),
	}
}

func (r *runner) leaseName() string {
	return fmt.Sprintf("%s%s/%d", segmentPrefix, r.name, r.part.index)
}

// run holds this process's share until the context ends, and gives everything up before it returns.
func (c *claims) run(ctx context.Context, runners []*runner) {
	c.runners = slices.Clone(runners)
	c.held, c.stuck, c.free = make(map[string]*tenure), make(map[string]time.Time), make(map[string]int)
	look := time.NewTicker(c.lookEvery())
	defer look.Stop()
	defer c.giveUp(context.WithoutCancel(ctx))
	for {
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			c.engine.logger.Warn("segments not shared out, trying again", slog.Any("error", err))
		}
		if !c.renewed.IsZero() && time.Since(c.renewed) > c.term*5/6 {
			c.stopAll() // the store may have given them to others by now; what they would commit is fenced
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// lookEvery is how often this process looks around.
func (c *claims) lookEvery() time.Duration { return min(lookEvery, c.term/4) }

// round renews what is held, and takes or gives up segments.
func (c *claims) round(ctx context.Context) error {
	if c.renewed.IsZero() || time.Since(c.renewed) > c.term/3 {
		if err := c.renew(ctx); err != nil {
			return err
		}
	}
	for name, t := range c.held { // those that ended by themselves have lost their lease
		select {
		case <-t.ended:
			t.stop()
			delete(c.held, name)
		default:
		}
	}
	infos, err := c.leases.List(ctx, "")
	if err != nil {
		return err
	}
	processes := make(map[string]int) // holders that live, and how many segments they have
	running := make(map[string]bool)
	var idle []carillon.Lease // this process has them and runs nothing under them
	for _, info := range infos {
		switch {
		case info.Left <= 0:
		case strings.HasPrefix(info.Name, processPrefix):
			processes[info.Holder] += 0
		case !strings.HasPrefix(info.Name, segmentPrefix):
		case info.Holder == c.holder && c.held[info.Name] == nil:
			idle = append(idle, info.Lease)
		default:
			running[info.Name] = true
		}
	}
	if len(idle) > 0 { // a claim whose answer was lost, or a segment that was stopped: renewed with the others, it would never run out
		if err := c.leases.Release(ctx, idle...); err != nil {
			return err
		}
	}
	share := (len(c.runners) + len(processes) - 1) / max(len(processes), 1)
	c.lookBack(ctx)
	c.takeFree(ctx, running, share)
	c.releaseSurplus(ctx, share, len(processes))
	return nil
}

// lookBack has segments follow again whose checkpoint stands before the one they committed: read models do not wait for the disk, and a
// server that crashed may have lost the last of their commits, rows and checkpoint together.
func (c *claims) lookBack(ctx context.Context) {
	if c.looks++; c.looks%lookBackEvery != 0 {
		return
	}
	for _, r := range c.runners {
		reached := r.work.reached()
		if c.held[r.leaseName()] == nil || reached == 0 {
			continue
		}
		looking, stop := context.WithTimeout(ctx, c.lookEvery()) // what keeps a read waiting must not keep leases from being renewed
		at, err := checkpoint(looking, c.engine.store.ReadModels(), r.ref())
		stop()
		if err != nil || at >= reached {
			continue
		}
		c.engine.logger.Warn("checkpoint fell back, following again from there", slog.String("projection", r.name),
			slog.Int64("from", int64(reached)), slog.Int64("to", int64(at)))
		r.again()
	}
}

// renew makes the process known and extends its leases. A segment whose lease is gone is stopped.
func (c *claims) renew(ctx context.Context) error {
	at := time.Now()                                                                         // before the call: the lease runs from then at the earliest
	if _, err := c.leases.Claim(ctx, processPrefix+c.holder, c.holder, c.term); err != nil { // says that this process lives
		return err
	}
	leases, err := c.leases.Renew(ctx, c.holder, c.term)
	if err != nil {
		return err
	}
	c.renewed = at
	for _, name := range slices.Sorted(maps.Keys(c.held)) {
		if !slices.Contains(leases, c.held[name].lease) {
			c.engine.logger.Warn("segment lost to another process", slog.String("lease", name))
			c.stop(name)
		}
	}
	return nil
}

// takeFree claims segments that nobody holds, up to the share, and those that stay free for long.
func (c *claims) takeFree(ctx context.Context, running map[string]bool, share int) {
	runners := slices.Clone(c.runners)
	c.engine.chance.fork().Shuffle(len(runners), func(i, j int) { runners[i], runners[j] = runners[j], runners[i] })
	for _, r := range runners {
		name := r.leaseName()
		if running[name] || c.held[name] != nil {
			delete(c.free, name)
			continue
		}
		c.free[name]++
		surplus := len(c.held) >= share
		if surplus && c.free[name] < patience {
			continue
		}
		lease, err := c.leases.Claim(ctx, name, c.holder, c.term)
		if errors.Is(err, carillon.ErrLeaseHeld) {
			continue
		}
		if err != nil {
			if ctx.Err() == nil { // else giveUp looks what came of it
				c.engine.logger.Warn("segment not claimed, trying again", slog.String("lease", name), slog.Any("error", err))
			}
			return
		}
		if surplus {
			c.stuck[name] = time.Now()
		}
		delete(c.free, name)
		c.start(ctx, r, lease)
	}
}

// start runs a segment for as long as its lease is held.
func (c *claims) start(ctx context.Context, r *runner, lease carillon.Lease) {
	tenured, stop := context.WithCancel(ctx)
	t := &tenure{lease: lease, stop: stop, ended: make(chan struct{})}
	c.held[lease.Name] = t
	r.work.hold(&lease)
	r.local.Store(true)
	go func() {
		defer close(t.ended)
		defer r.local.Store(false)
		r.run(tenured)
	}()
}

// releaseSurplus gives up what is more than the share, so that others can take it.
func (c *claims) releaseSurplus(ctx context.Context, share, processes int) {
	if processes < 2 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.held)) {
		t := c.held[name]
		if len(c.held) <= share {
			return
		}
		if since, ok := c.stuck[name]; ok && time.Since(since) < keepStuck {
			continue
		}
		delete(c.stuck, name)
		c.stop(name)
		if err := c.leases.Release(ctx, t.lease); err != nil && ctx.Err() == nil {
			c.engine.logger.Warn("segment not released, it runs out", slog.String("lease", name), slog.Any("error", err))
		}
	}
}

// stop ends a tenure and waits until nothing of it runs.
func (c *claims) stop(name string) {
	t := c.held[name]
	delete(c.held, name)
	t.stop()
	<-t.ended
}

func (c *claims) stopAll() {
	for _, name := range slices.Sorted(maps.Keys(c.held)) {
		c.stop(name)
	}
}

// giveUp stops everything side by side and releases it, so that others need not wait: also what was claimed without an answer.
func (c *claims) giveUp(ctx context.Context) {
	var stopping sync.WaitGroup
	for _, t := range c.held {
		t.stop()
		stopping.Go(func() { <-t.ended })
	}
	stopping.Wait()
	clear(c.held)
	ctx, cancel := context.WithTimeout(ctx, c.term/6)
	defer cancel()
	infos, err := c.leases.List(ctx, "")
	if err == nil {
		err = c.leases.Release(ctx, c.own(infos)...)
	}
	if err != nil {
		c.engine.logger.Warn("segments not released, they run out", slog.Any("error", err))
	}
}

// own returns the leases that say that this process lives and has segments.
func (c *claims) own(infos []carillon.LeaseInfo) (own []carillon.Lease) {
	for _, info := range infos {
		if info.Holder == c.holder && !strings.HasPrefix(info.Name, rebuildPrefix) {
			own = append(own, info.Lease)
		}
	}
	return own
}
