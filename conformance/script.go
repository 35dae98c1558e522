package conformance

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
)

// step is one batch of a script and what must become of its appends.
type step struct {
	name  string
	batch []carillon.Append
	want  []outcome
}

// one makes a step of a single append.
func one(name string, want outcome, a carillon.Append) step {
	return step{name: name, batch: []carillon.Append{a}, want: []outcome{want}}
}

// play runs a script on the log. After every step the log must hold what the ledger holds, so a refused append that leaves
// anything behind is found where it happens.
func (s *subject) play(ctx context.Context, l *ledger, steps []step) error {
	for _, step := range steps {
		if err := s.playStep(ctx, l, step); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (s *subject) playStep(ctx context.Context, l *ledger, step step) error {
	verdicts, err := s.append(ctx, step.batch...)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	for i, verdict := range verdicts {
		got, err := outcomeOf(verdict)
		if err != nil {
			return err
		}
		if got != step.want[i] {
			return fmt.Errorf("append %d of %d (%s): %s, want %s", i+1, len(verdicts), describe(&step.batch[i]), got, step.want[i])
		}
	}
	if err := l.settle(step.batch, verdicts); err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}
