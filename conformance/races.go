package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

func raceChecks() []check {
	return []check{
		{"stream race", checkStreamRace},
		{"command race", checkCommandRace},
		{"plain and conditional race", checkPlainRace},
		{"combined race", checkCombinedRace},
	}
}

// alone makes a batch of one append.
func alone(a carillon.Append) ([]carillon.Append, error) { return []carillon.Append{a}, nil }

// checkStreamRace: racers expect the same version of one stream. One wins.
func checkStreamRace(ctx context.Context, s *subject) error {
	l := newLedger()
	err := s.rounds(ctx, func(ctx context.Context, how start, round int) error {
		version := l.version("race")
		attempts, err := s.race(ctx, how, s.sizes.Racers, func(_ context.Context, racer int) ([]carillon.Append, error) {
			return alone(to("race", carillon.Exactly(version), s.events(1+(racer+round)%3, "race.run")...))
		})
		if err != nil {
			return err
		}
		if err := expect(attempts, map[outcome]int{accepted: 1, versionConflict: s.sizes.Racers - 1}); err != nil {
			return err
		}
		if err := l.audit(attempts); err != nil {
			return err
		}
		for racer, a := range attempts {
			conflict, lost := errors.AsType[*carillon.ConflictError](a.verdicts[0].Err)
			if lost && conflict.Actual != l.version("race") {
				return fmt.Errorf("racer %d met a conflict at actual version %d, the winner made it %d", racer+1, conflict.Actual, l.version("race"))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}

// checkCommandRace: racers carry one command id, some of them with another digest. One is appended, those with its digest are
// duplicates of it, the others are refused.
func checkCommandRace(ctx context.Context, s *subject) error {
	l := newLedger()
	err := s.rounds(ctx, func(ctx context.Context, how start, round int) error {
		id := fmt.Sprintf("%s-%d", how, round)
		digests := byte(1 + round%3)
		attempts, err := s.race(ctx, how, s.sizes.Racers, func(_ context.Context, racer int) ([]carillon.Append, error) {
			a := loose(s.event("command.done"))
			if racer%2 == 0 {
				a = to("commands", carillon.AnyVersion(), s.events(2, "command.done")...)
			}
			return alone(once(a, id, byte(racer)%digests))
		})
		if err != nil {
			return err
		}
		if err := oneCommand(attempts); err != nil {
			return err
		}
		return l.audit(attempts)
	})
	if err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}

// oneCommand demands one winner among racers with one command id, and that the others' outcome follows from their digests.
func oneCommand(attempts []attempt) error {
	var digest [16]byte
	for _, a := range attempts {
		if a.verdicts[0].Err == nil && !a.verdicts[0].Appended.Duplicate {
			digest = a.batch[0].Command.Digest
		}
	}
	want := map[outcome]int{accepted: 1, duplicate: -1}
	for _, a := range attempts {
		if a.batch[0].Command.Digest == digest {
			want[duplicate]++
		} else {
			want[reused]++
		}
	}
	return expect(attempts, want)
}

// checkPlainRace: appends without a guard race conditional ones that their events break. No plain append is refused, and a
// conditional one is accepted only if it stands before all of them: at most one is.
func checkPlainRace(ctx context.Context, s *subject) error {
	l := newLedger()
	err := s.rounds(ctx, func(ctx context.Context, how start, _ int) error {
		after, version := l.head(), l.version("plain")
		roles := make([]int, s.sizes.Racers)
		for racer := range roles {
			roles[racer] = s.random.IntN(5)
		}
		attempts, err := s.race(ctx, how, s.sizes.Racers, func(_ context.Context, racer int) ([]carillon.Append, error) {
			switch roles[racer] {
			case 0:
				return alone(to("plain", carillon.AnyVersion(), s.event("room.entered", "room:1")))
			case 1:
				return alone(loose(s.events(2, "room.entered", "room:2", "room:1")...))
			case 2:
				return alone(to("plain", carillon.Exactly(version), s.event("room.closed", "room:1")))
			case 3:
				return alone(unless(loose(s.event("room.closed", "room:1")), carillon.ByTypes("room.closed", "room.entered"), after))
			default:
				return alone(unless(loose(s.event("room.closed", "room:1")), carillon.ByTags("room:1"), after))
			}
		})
		if err != nil {
			return err
		}
		conditional := 0
		for racer, a := range attempts {
			won := a.verdicts[0].Err == nil
			switch {
			case roles[racer] < 2 && !won:
				return fmt.Errorf("racer %d appends without a guard and was refused: %w", racer+1, a.verdicts[0].Err)
			case roles[racer] > 2 && won:
				conditional++
			}
		}
		if conditional > 1 {
			return fmt.Errorf("%d conditional appends were accepted, want at most 1", conditional)
		}
		return l.audit(attempts)
	})
	if err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}

// checkCombinedRace: racers append random batches with all guards together, at a few places, each from what it has just read.
func checkCombinedRace(ctx context.Context, s *subject) error {
	l := newLedger()
	err := s.rounds(ctx, func(ctx context.Context, how start, round int) error {
		seeds := make([]uint64, s.sizes.Racers)
		for i := range seeds {
			seeds[i] = s.random.Uint64()
		}
		attempts, err := s.race(ctx, how, s.sizes.Racers, func(ctx context.Context, racer int) ([]carillon.Append, error) {
			head, err := s.log.Head(ctx)
			if err != nil {
				return nil, err
			}
			dice := newGenerator(s, seeds[racer])
			dice.head, dice.commands = head, []string{fmt.Sprintf("%s-%d", how, round), "common"}
			for _, stream := range dice.streams {
				events, err := walkStream(ctx, s.log, stream, l.version(stream), 100)
				if err != nil {
					return nil, err
				}
				dice.versions[stream] = l.version(stream) + int64(len(events))
			}
			return dice.batch(3), nil
		})
		if err != nil {
			return err
		}
		return l.audit(attempts)
	})
	if err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}
