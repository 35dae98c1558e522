package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// checkHistory runs random histories on the log and on the reference, and compares verdict by verdict and event by event.
func checkHistory(ctx context.Context, s *subject) error {
	for i := range s.sizes.Histories {
		seed := s.seed + uint64(i)
		if i > 0 {
			if err := s.store.Close(); err != nil {
				return fmt.Errorf("close the store: %w", err)
			}
			if err := s.use(ctx, s.open(s.t)); err != nil {
				return err
			}
		}
		if err := s.history(ctx, seed); err != nil {
			return fmt.Errorf("history with seed %d (repeat with %s=%d): %w", seed, seedVariable, seed, err)
		}
	}
	return nil
}

// history is one random history: the log under test, the reference, and the book the guards are made from.
type history struct {
	*subject
	*generator

	reference carillon.Log
	ledger    *ledger
}

func (s *subject) history(ctx context.Context, seed uint64) error {
	store, err := memory.Volatile().Open(ctx)
	if err != nil {
		return err
	}
	s.serial.Store(0)
	h := &history{subject: s, generator: newGenerator(s, seed), reference: store.Log(), ledger: newLedger()}
	for i := range s.sizes.HistorySteps {
		step := h.step
		if i == s.sizes.HistorySteps/2 && !s.volatile {
			step = s.reopen
		}
		if err := step(ctx); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if err := h.compareAll(ctx); err != nil {
		return fmt.Errorf("in the end: %w", err)
	}
	return store.Close()
}

func (h *history) step(ctx context.Context) error {
	switch dice := h.generator.random.IntN(100); {
	case dice < 75:
		return h.appendBoth(ctx)
	case dice < 88:
		return h.readBoth(ctx)
	case dice < 98:
		return h.readStreamBoth(ctx)
	case h.volatile:
		return nil
	default:
		return h.reopen(ctx)
	}
}

func (h *history) appendBoth(ctx context.Context) error {
	h.head = h.ledger.head()
	for _, stream := range h.streams {
		h.versions[stream] = h.ledger.version(stream)
	}
	batch := h.batch(5)
	got, err := h.subject.append(ctx, batch...)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	want, err := h.reference.Append(ctx, batch)
	if err != nil {
		return fmt.Errorf("append to the reference: %w", err)
	}
	for i := range batch {
		if err := sameVerdict(got[i], want[i]); err != nil {
			return fmt.Errorf("append %d of %d (%s): %w", i+1, len(batch), describe(&batch[i]), err)
		}
	}
	return h.ledger.settle(batch, got)
}

// sameVerdict compares two verdicts. Which of several matching events a conflict names is the log's choice.
func sameVerdict(got, want carillon.Verdict) error {
	gotKind, err := outcomeOf(got)
	if err != nil {
		return err
	}
	wantKind, err := outcomeOf(want)
	if err != nil {
		return fmt.Errorf("the reference: %w", err)
	}
	gotConflict, _ := errors.AsType[*carillon.ConflictError](got.Err)
	wantConflict, _ := errors.AsType[*carillon.ConflictError](want.Err)
	switch {
	case gotKind != wantKind:
		return fmt.Errorf("%s, the reference says %s", gotKind, wantKind)
	case got.Err == nil && got.Appended != want.Appended:
		return fmt.Errorf("%+v, the reference says %+v", got.Appended, want.Appended)
	case gotKind == versionConflict && *gotConflict != *wantConflict:
		return fmt.Errorf("%w, the reference says %w", got.Err, want.Err)
	}
	return nil
}

func (h *history) readBoth(ctx context.Context) error {
	random := h.generator.random
	query := randomQuery(random, h.types, h.tags)
	after := carillon.Position(random.IntN(int(h.ledger.head()) + 1))
	return h.compare(ctx, query, after, 1+random.IntN(20)+int(h.ledger.head()-after)/10)
}

func (h *history) readStreamBoth(ctx context.Context) error {
	random := h.generator.random
	stream := pick(random, h.streams)
	version := h.ledger.version(stream)
	after := random.Int64N(version + 2)
	return h.compareStream(ctx, stream, after, 1+random.IntN(20)+int(max(0, version-after))/10)
}

func (h *history) compare(ctx context.Context, query carillon.Query, after carillon.Position, limit int) error {
	got, gotThrough, err := walk(ctx, h.log, query, after, limit)
	if err != nil {
		return err
	}
	want, wantThrough, err := walk(ctx, h.reference, query, after, limit)
	if err != nil {
		return fmt.Errorf("the reference: %w", err)
	}
	err = sameEvents(got, want)
	if err == nil && gotThrough != wantThrough {
		err = fmt.Errorf("through %d, the reference reaches %d", gotThrough, wantThrough)
	}
	if err != nil {
		return fmt.Errorf("read %s after %d in pages of %d: %w", describeQuery(query), after, limit, err)
	}
	return nil
}

func (h *history) compareStream(ctx context.Context, stream string, after int64, limit int) error {
	got, err := walkStream(ctx, h.log, stream, after, limit)
	if err != nil {
		return err
	}
	want, err := walkStream(ctx, h.reference, stream, after, limit)
	if err != nil {
		return fmt.Errorf("the reference: %w", err)
	}
	if err := sameEvents(got, want); err != nil {
		return fmt.Errorf("stream %q after %d in pages of %d: %w", stream, after, limit, err)
	}
	return nil
}

func (h *history) compareAll(ctx context.Context) error {
	if err := h.compare(ctx, carillon.AllEvents(), 0, 100); err != nil {
		return err
	}
	for _, stream := range h.streams {
		if err := h.compareStream(ctx, stream, 0, 100); err != nil {
			return err
		}
	}
	for _, id := range h.commands {
		got, gotErr := h.log.Command(ctx, id)
		want, wantErr := h.reference.Command(ctx, id)
		if got != want || errors.Is(gotErr, carillon.ErrNotFound) != errors.Is(wantErr, carillon.ErrNotFound) {
			return fmt.Errorf("command %q: %+v (error %w), the reference says %+v (error %w)", id, got, errOrNil(gotErr), want, errOrNil(wantErr))
		}
	}
	return h.ledger.verify(ctx, h.log)
}
