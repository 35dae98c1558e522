package topics

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

const (
	// saveAfter is how long a checkpoint waits before it is noted.
	saveAfter = 50 * time.Millisecond
	// longestGrace is how long a partition that is to be another's waits for what is not settled of it.
	longestGrace = time.Second
	// pruneAfter is how long what nobody needs stays when nothing is published.
	pruneAfter = time.Minute
	// beats is how many beats a lease has.
	beats = 6
)

// keep keeps the consumer's part in the subscription until the context ends: it beats, takes and gives partitions, and notes
// checkpoints. beaten is when the first beat began.
func (c *consumer) keep(ctx context.Context, beaten time.Time) {
	defer close(c.stopped)
	interval := c.member.Lease / beats
	beat, save, prune := time.NewTimer(interval), time.NewTimer(time.Hour), time.NewTicker(pruneAfter)
	defer beat.Stop()
	defer save.Stop()
	defer prune.Stop()
	save.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.dirty:
			if !waiting {
				waiting = true
				save.Reset(saveAfter)
			}
			continue
		case <-save.C:
			waiting = false
			if err := c.save(ctx); err != nil && ctx.Err() == nil {
				c.warn(ctx, "note checkpoints", err)
				waiting = true
				save.Reset(interval)
			}
			continue
		case <-prune.C:
			c.hub.poller.ask(c.stream)
			continue
		case <-c.poked:
		case <-beat.C:
		}
		began := time.Now()
		next, err := c.balance(ctx)
		switch {
		case err == nil:
			beaten = began
			c.reach(nil)
			beat.Reset(min(next, interval))
		case ctx.Err() != nil:
			return
		default:
			c.warn(ctx, "keep partitions", err)
			if after(beaten, c.member.Lease) {
				c.loseAll()
			}
			c.reach(err)
			beat.Reset(min(interval, time.Second))
		}
	}
}

// reach takes note of whether the tables can be reached, and tells who receives when not.
func (c *consumer) reach(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apart = err; err != nil {
		c.wake()
	}
}

func (c *consumer) warn(ctx context.Context, what string, err error) {
	c.hub.settings.Logger.LogAttrs(ctx, slog.LevelWarn, tablesFailed,
		slog.String("what", what), slog.String("topic", c.stream.Name), slog.String("consumer", c.member.Consumer), slog.Any("error", err))
}

// balance beats, and moves towards an even share of the partitions. It returns when to look again at the latest.
func (c *consumer) balance(ctx context.Context) (next time.Duration, err error) {
	limited, cancel := within(ctx, min(c.hub.settings.Timeout, c.member.Lease/2))
	defer cancel()
	defer func() { err = late(limited, err) }()
	standing, err := c.hub.tables.Beat(limited, c.member)
	if err != nil {
		return 0, err
	}
	if c.hub.settings.Alone { // nobody polls, and a commit nobody saw answered may have taken place
		if err := c.look(limited); err != nil {
			return 0, err
		}
	}
	wanted, give, next := c.adjust(standing)
	if len(give) > 0 {
		if err := c.hub.tables.Release(limited, c.member, give); err != nil {
			return 0, err
		}
		c.stream.pokeOthers(c)
		c.poke() // what was to leave may be wanted again since
	}
	if len(wanted) > 0 {
		shares, err := c.hub.tables.Claim(limited, c.member, wanted)
		if err != nil {
			return 0, err
		}
		c.grant(shares)
	}
	return next, nil
}

// look asks where the topic stands.
func (c *consumer) look(ctx context.Context) error {
	sights, err := c.hub.tables.Look(ctx, []Topic{c.stream.Topic})
	for _, sight := range sights {
		c.stream.see(sight.Last, sight.Changes)
	}
	return err
}

// even is how many of the partitions a consumer is to have: as many as the others, or one more.
func even(partitions int, consumers []string, consumer string) int {
	rank := slices.Index(consumers, consumer)
	if rank < 0 {
		return 0
	}
	share := partitions / len(consumers)
	if rank < partitions%len(consumers) {
		share++
	}
	return share
}

// adjust compares the lanes with how the subscription stands: it drops those that are somebody else's, has those leave that are too
// many, and returns those that have left, and which partitions to claim.
func (c *consumer) adjust(standing Standing) (wanted []int, give []Checkpoint, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next = time.Hour
	var free []int
	for _, share := range standing.Shares {
		l := c.lanes[share.Partition]
		own := share.Consumer == c.member.Consumer
		if l != nil && (!own || share.Epoch != l.epoch) {
			c.drop(l)
			l = nil
		}
		if l == nil && (own || share.Free) {
			free = append(free, share.Partition)
		}
	}
	staying := make([]*lane, 0, len(c.lanes))
	for _, l := range c.lanes {
		if l.leaving.IsZero() {
			staying = append(staying, l)
		}
	}
	target := even(len(standing.Shares), standing.Consumers, c.member.Consumer)
	if surplus := len(staying) - target; surplus > 0 {
		slices.SortFunc(staying, func(a, b *lane) int { return b.partition - a.partition })
		for _, l := range staying[:surplus] {
			l.leaving = time.Now()
		}
	}
	grace := min(longestGrace, c.member.Lease/4)
	for _, l := range c.lanes {
		switch {
		case l.leaving.IsZero():
		case l.held == 0 || after(l.leaving, grace):
			give = append(give, l.checkpoint())
			c.drop(l)
		default:
			next = min(next, grace-time.Since(l.leaving)+time.Millisecond)
		}
	}
	if missing := target - len(c.lanes); missing > 0 {
		wanted = free[:min(missing, len(free))]
	}
	return wanted, give, next
}

// loseAll drops all lanes: their leases have run out by this process's clock, and nobody could be asked.
func (c *consumer) loseAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		c.drop(l)
	}
}

// save notes how far the lanes have come that have come further.
func (c *consumer) save(ctx context.Context) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	c.touched = false
	var moved []Checkpoint
	for _, l := range c.lanes {
		if checkpoint := l.checkpoint(); checkpoint != l.saved {
			moved = append(moved, checkpoint)
		}
	}
	c.mu.Unlock()
	if len(moved) == 0 {
		return nil
	}
	slices.SortFunc(moved, func(a, b Checkpoint) int { return a.Partition - b.Partition })
	ctx, cancel := within(ctx, c.hub.settings.Timeout)
	defer cancel()
	lost, err := c.hub.tables.Save(ctx, c.member, moved)
	if err != nil {
		return late(ctx, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, checkpoint := range moved {
		l := c.lanes[checkpoint.Partition]
		switch {
		case l == nil || l.epoch != checkpoint.Epoch:
		case slices.Contains(lost, checkpoint.Partition):
			c.drop(l)
			c.poke()
		default:
			l.saved = checkpoint
		}
	}
	return nil
}

// resign gives all partitions up and leaves.
func (c *consumer) resign(ctx context.Context) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	var give []Checkpoint
	for _, l := range c.lanes {
		give = append(give, l.checkpoint())
		c.drop(l)
	}
	c.queue = queue{}
	c.mu.Unlock()
	var released error
	if len(give) > 0 {
		released = c.hub.tables.Release(ctx, c.member, give)
	}
	return errors.Join(released, c.hub.tables.Leave(ctx, c.member))
}
