package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/carillon-go/carillon"
)

// start is how the racers of a round set off.
type start string

const (
	// barriered racers prepare, wait for one another, and append all at once.
	barriered start = "barriered"
	// staggered racers prepare and append one behind the other, each as the one before sets off.
	staggered start = "staggered"
)

// attempt is one racer's batch and what became of it.
type attempt struct {
	batch    []carillon.Append
	verdicts []carillon.Verdict
}

// prepare makes a racer's batch, empty to stay out of this round. It may read the log.
type prepare func(ctx context.Context, racer int) ([]carillon.Append, error)

// race lets a number of racers append one batch each and returns what became of them, by racer.
func (s *subject) race(ctx context.Context, how start, racers int, prepare prepare) ([]attempt, error) {
	attempts := make([]attempt, racers)
	failures := make([]error, racers)
	turns := make([]chan struct{}, racers+1)
	for i := range turns {
		turns[i] = make(chan struct{})
	}
	var ready, done sync.WaitGroup
	ready.Add(racers)
	for racer := range racers {
		done.Go(func() {
			if how == staggered {
				<-turns[racer]
			}
			batch, err := prepare(ctx, racer)
			close(turns[racer+1])
			ready.Done()
			if how == barriered {
				ready.Wait()
			}
			if err == nil && len(batch) > 0 {
				attempts[racer].batch = batch
				attempts[racer].verdicts, err = s.append(ctx, batch...)
			}
			if err != nil {
				failures[racer] = fmt.Errorf("racer %d: %w", racer+1, err)
			}
		})
	}
	close(turns[0])
	done.Wait()
	return attempts, errors.Join(failures...)
}

// rounds runs a race in both of its ways to start, as often as the sizes say.
func (s *subject) rounds(ctx context.Context, round func(ctx context.Context, how start, round int) error) error {
	for _, how := range []start{barriered, staggered} {
		for i := range s.sizes.Rounds {
			if err := round(ctx, how, i); err != nil {
				return fmt.Errorf("%s round %d: %w", how, i+1, err)
			}
		}
	}
	return nil
}

// audit takes up what racers appended, in the order of positions, and holds every verdict against the rules: whatever was
// accepted had guards that held where it stands, whatever was refused had one that did not. Nobody else may have appended.
func (l *ledger) audit(attempts []attempt) error {
	type entry struct {
		append  *carillon.Append
		verdict carillon.Verdict
	}
	var winners, losers []entry
	for i := range attempts {
		for j := range attempts[i].batch {
			e := entry{&attempts[i].batch[j], attempts[i].verdicts[j]}
			kind, err := outcomeOf(e.verdict)
			if err != nil {
				return err
			}
			if kind == accepted {
				winners = append(winners, e)
			} else {
				losers = append(losers, e)
			}
		}
	}
	slices.SortFunc(winners, func(a, b entry) int { return cmp.Compare(a.verdict.Appended.First, b.verdict.Appended.First) })
	for _, winner := range winners {
		if err := l.settleOne(winner.append, winner.verdict); err != nil {
			return fmt.Errorf("accepted at position %d (%s): %w", winner.verdict.Appended.First, describe(winner.append), err)
		}
	}
	for _, loser := range losers {
		if err := l.refused(loser.append, loser.verdict); err != nil {
			return fmt.Errorf("refused (%s): %w", describe(loser.append), err)
		}
	}
	return nil
}

// tally counts the outcomes of racers that append once each.
func tally(attempts []attempt) (map[outcome]int, error) {
	counts := make(map[outcome]int)
	for i := range attempts {
		for _, verdict := range attempts[i].verdicts {
			kind, err := outcomeOf(verdict)
			if err != nil {
				return nil, err
			}
			counts[kind]++
		}
	}
	return counts, nil
}

// expect demands how many racers met which outcome, and no other.
func expect(attempts []attempt, want map[outcome]int) error {
	got, err := tally(attempts)
	if err != nil {
		return err
	}
	kinds := []outcome{accepted, duplicate, reused, versionConflict, conditionConflict}
	for _, kind := range kinds {
		if got[kind] != want[kind] {
			return fmt.Errorf("%s: %d racers, want %d", kind, got[kind], want[kind])
		}
	}
	return nil
}
