package consume

import (
	"context"
	"log/slog"
	"time"

	"github.com/carillon-go/carillon"
)

// mostLetters is how many letters one commit has at most.
const mostLetters = 256

// commits makes durable what is complete, one commit at a time, until everything is after the handlers have ended. It returns
// the error of a commit that is permanent, or that is still failing when the context ends.
func (c *Consumer[T]) commits(ctx context.Context, drained <-chan struct{}) error {
	letters := make([]Letter[T], 0, mostLetters)
	failures := 0
	pause := func(err error) {
		failures++
		if c.rest(ctx, drained, c.pause(failures), err) {
			failures, drained = 0, nil
		}
	}
	for {
		done, err := c.commitNext(ctx, letters, pause)
		if err != nil {
			return err
		}
		failures = 0
		if done {
			continue
		}
		if drained == nil {
			return nil
		}
		select {
		case <-c.news:
		case <-drained:
			drained = nil
		}
	}
}

// commitNext makes one commit, trying until it succeeds; false when there was nothing to commit.
func (c *Consumer[T]) commitNext(ctx context.Context, letters []Letter[T], pause func(error)) (bool, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-c.turn }()
	for {
		commit, ok := c.prepare(letters)
		if !ok {
			return false, nil
		}
		err := c.commit(ctx, commit)
		if err == nil {
			c.confirm(commit)
			return true, nil
		}
		if isPermanent(err) || ctx.Err() != nil {
			return false, err
		}
		letters = commit.Letters
		pause(err)
	}
}

// rest waits before the next attempt of a failed commit. The end of the handlers cuts the wait short, and it returns true then.
func (c *Consumer[T]) rest(ctx context.Context, drained <-chan struct{}, wait time.Duration, cause error) bool {
	c.logger.Error("commit failed, trying again", slog.Duration("after", wait), slog.Any("error", cause))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-drained:
		return true
	}
	return false
}

func (c *Consumer[T]) prepare(letters []Letter[T]) (Commit[T], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	commit := c.core.Prepare(letters, mostLetters)
	commit.Deliveries = int(commit.passed - c.passed)
	return commit, commit.Through > c.committed || len(commit.Letters) > 0
}

func (c *Consumer[T]) confirm(commit Commit[T]) {
	for i := range commit.Letters {
		letter := &commit.Letters[i]
		c.logger.Error("delivery parked", position(letter.Delivery.Position), slog.String("key", letter.Delivery.Key),
			slog.Int("attempts", letter.Attempts), slog.Any("error", letter.Cause))
	}
	c.mu.Lock()
	c.core.Parked(commit.Letters...)
	c.committed, c.passed = commit.Through, commit.passed
	c.settle()
	c.mu.Unlock()
	clear(commit.Letters)
}

// pause is the wait after a commit has failed so many times.
func (c *Consumer[T]) pause(failures int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Retry.pause(failures, c.Random)
}

// position is a number for the log.
func position(p carillon.Position) slog.Attr { return slog.Int64("position", int64(p)) }
