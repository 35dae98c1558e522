package conformance

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
)

func boundaryRaceChecks() []check {
	return []check{
		{"boundary race", checkBoundaryRace},
		{"overlapping boundaries race", checkOverlapRace},
		{"seats race", checkSeatsRace},
	}
}

// checkBoundaryRace: racers append to one boundary from the same read. One wins.
func checkBoundaryRace(ctx context.Context, s *subject) error {
	l := newLedger()
	query := carillon.Query{Items: []carillon.Item{
		{Types: []string{"name.claimed", "name.freed"}, Tags: []carillon.Tag{"name:ada"}},
		{Tags: []carillon.Tag{"name:ada", "registry:main"}},
	}}
	err := s.rounds(ctx, func(ctx context.Context, how start, round int) error {
		after := l.head()
		attempts, err := s.race(ctx, how, s.sizes.Racers, func(_ context.Context, racer int) ([]carillon.Append, error) {
			a := loose(s.event("name.claimed", "name:ada"))
			if (racer+round)%2 == 0 {
				a = to(fmt.Sprintf("claims-%d", racer), carillon.AnyVersion(), s.event("claim.made"), s.event("claim.kept", "registry:main", "name:ada"))
			}
			return alone(unless(a, query, after))
		})
		if err != nil {
			return err
		}
		if err := expect(attempts, map[outcome]int{accepted: 1, conditionConflict: s.sizes.Racers - 1}); err != nil {
			return err
		}
		return l.audit(attempts)
	})
	if err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}

// checkOverlapRace: the boundaries lie in a ring, each overlapping its two neighbours. No two neighbours win, and whoever loses
// has a neighbour that won.
func checkOverlapRace(ctx context.Context, s *subject) error {
	l := newLedger()
	ring := s.sizes.Racers
	tag := func(i int) carillon.Tag { return carillon.Tag(fmt.Sprintf("plot:%d", i%ring)) }
	err := s.rounds(ctx, func(ctx context.Context, how start, _ int) error {
		after := l.head()
		attempts, err := s.race(ctx, how, ring, func(_ context.Context, racer int) ([]carillon.Append, error) {
			left, right := tag(racer), tag(racer+1)
			query := carillon.Query{Items: []carillon.Item{{Tags: []carillon.Tag{left}}, {Types: []string{"plot.sold"}, Tags: []carillon.Tag{right}}}}
			return alone(unless(loose(s.event("plot.sold", left, right)), query, after))
		})
		if err != nil {
			return err
		}
		won := func(racer int) bool { return attempts[(racer+ring)%ring].verdicts[0].Err == nil }
		for racer := range ring {
			switch neighbour := won(racer-1) || won(racer+1); {
			case won(racer) && neighbour:
				return fmt.Errorf("racer %d and a neighbour have both won, though their boundaries overlap", racer+1)
			case !won(racer) && !neighbour:
				return fmt.Errorf("racer %d was refused, though no boundary that overlaps its own has won", racer+1)
			}
		}
		return l.audit(attempts)
	})
	if err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}

// checkSeatsRace: racers read how many seats are taken and take one while there are any, deciding again after every conflict.
// All seats are taken, and never one more.
func checkSeatsRace(ctx context.Context, s *subject) error {
	const seats = 3
	l := newLedger()
	err := s.rounds(ctx, func(ctx context.Context, how start, round int) error {
		show := carillon.Tag(fmt.Sprintf("show:%s-%d", how, round))
		want := l.head() + seats
		decide := func(ctx context.Context, _ int) ([]carillon.Append, error) {
			taken, through, err := walk(ctx, s.log, carillon.ByTags(show), 0, 2)
			if err != nil || len(taken) >= seats {
				return nil, err
			}
			return alone(unless(loose(s.event("seat.taken", show)), carillon.ByTags(show), through))
		}
		// A conflict means that another racer has taken a seat, so nobody needs more tries than there are seats, and one to see
		// that they are gone.
		for range seats + 1 {
			attempts, err := s.race(ctx, how, s.sizes.Racers, decide)
			if err != nil {
				return err
			}
			if err := l.audit(attempts); err != nil {
				return err
			}
		}
		if l.head() != want {
			return fmt.Errorf("%d of %d seats are taken", int(l.head()-want)+seats, seats)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}
