package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

func inboxChecks() []check {
	return []check{
		{"inbox", checkInbox},
		{"inbox rolled back", checkInboxRolledBack},
		{"inbox reopened", checkInboxReopened},
		{"inbox race", checkInboxRace},
	}
}

// errNoInbox: a transaction is no carillon.InboxTx.
var errNoInbox = errors.New("no inbox")

// receiving runs fn in an update of a consumer with its inbox.
func (s *subject) receiving(ctx context.Context, consumer carillon.ModelRef, fn func(tx carillon.ReadModelTx, in carillon.InboxTx) error) error {
	err := s.update(ctx, consumer, func(tx carillon.ReadModelTx) error {
		in, ok := tx.(carillon.InboxTx)
		if !ok {
			return errNoInbox
		}
		return fn(tx, in)
	})
	if errors.Is(err, errNoInbox) {
		return skip("the store's transactions are no carillon.InboxTx")
	}
	return err
}

// received has a consumer receive, and demands which of it comes for the first time.
func (s *subject) received(ctx context.Context, consumer string, receipts []carillon.Receipt, want ...bool) error {
	return s.receiving(ctx, carillon.ModelRef{Name: consumer}, func(_ carillon.ReadModelTx, in carillon.InboxTx) error {
		return firsts(in, receipts, want...)
	})
}

func firsts(in carillon.InboxTx, receipts []carillon.Receipt, want ...bool) error {
	got, err := in.Receive(receipts)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("of %+v these come for the first time: %v, want %v", receipts, got, want)
	}
	return nil
}

// checkInbox receives messages once and again, repaired, by other consumers and with ids of all kinds.
func checkInbox(ctx context.Context, s *subject) error {
	a, b, c := carillon.Receipt{ID: "a"}, carillon.Receipt{ID: "b"}, carillon.Receipt{ID: "c"}
	repaired := carillon.Receipt{ID: "a", Revision: 1}
	steps := []struct {
		what     string
		consumer string
		receipts []carillon.Receipt
		want     []bool
	}{
		{"two messages", "orders", []carillon.Receipt{b, a}, []bool{true, true}},
		{"one of them again, beside others", "orders", []carillon.Receipt{c, a, {ID: "d"}}, []bool{true, false, true}},
		{"all of them again", "orders", []carillon.Receipt{a, b, c}, []bool{false, false, false}},
		{"one that was repaired", "orders", []carillon.Receipt{a, repaired}, []bool{false, true}},
		{"and again", "orders", []carillon.Receipt{repaired}, []bool{false}},
		{"what another consumer has had", "payments", []carillon.Receipt{a, repaired}, []bool{true, true}},
		{"names in other letters", "Orders", []carillon.Receipt{a, {ID: "A"}}, []bool{true, true}},
		{"a message twice at once", "orders", []carillon.Receipt{{ID: "e"}, a, {ID: "e"}, {ID: "e", Revision: 2}}, []bool{true, false, false, true}},
		{"nothing", "orders", nil, nil},
	}
	for _, step := range steps {
		if err := s.received(ctx, step.consumer, step.receipts, step.want...); err != nil {
			if _, skipped := errors.AsType[skip](err); skipped {
				return err
			}
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	var odd []carillon.Receipt
	for _, id := range []string{
		"0196d5a4-8a5e-7c3b-9f00-0123456789ab", "0196D5A4-8A5E-7C3B-9F00-0123456789AB", "0196d5a48a5e7c3b9f000123456789ab",
		"00000000-0000-0000-0000-000000000000", "ü 日本", strings.Repeat("i", carillon.MaxName), strings.Repeat("i", carillon.MaxName-1) + "j", "'; --",
	} {
		odd = append(odd, carillon.Receipt{ID: id})
	}
	first := slices.Repeat([]bool{true}, len(odd))
	if err := errors.Join(s.received(ctx, "odd", odd, first...), s.received(ctx, "odd", odd, make([]bool, len(odd))...)); err != nil {
		return err
	}
	// Within a transaction what was received before counts.
	return s.receiving(ctx, model(), func(_ carillon.ReadModelTx, in carillon.InboxTx) error {
		f := carillon.Receipt{ID: "f"}
		return errors.Join(firsts(in, []carillon.Receipt{f}, true), firsts(in, []carillon.Receipt{f}, false))
	})
}

// checkInboxRolledBack receives in transactions that fail: it comes for the first time again.
func checkInboxRolledBack(ctx context.Context, s *subject) error {
	receipts := []carillon.Receipt{{ID: "a"}, {ID: "b"}}
	err := s.receiving(ctx, model(), func(_ carillon.ReadModelTx, in carillon.InboxTx) error {
		return errors.Join(firsts(in, receipts, true, true), errGivenUp)
	})
	if _, skipped := errors.AsType[skip](err); skipped {
		return err
	}
	if !errors.Is(err, errGivenUp) {
		return fmt.Errorf("an update whose fn failed: error %w, want fn's", errOrNil(err))
	}
	err = panicking(func() error {
		return s.receiving(ctx, model(), func(_ carillon.ReadModelTx, in carillon.InboxTx) error {
			if err := firsts(in, receipts, true, true); err != nil {
				return err
			}
			panic(errGivenUp)
		})
	})
	if err == nil {
		return fmt.Errorf("an update whose fn panicked succeeded")
	}
	if err := s.received(ctx, model().Name, receipts, true, true); err != nil {
		return fmt.Errorf("after updates that failed: %w", err)
	}
	return s.received(ctx, model().Name, receipts, false, false)
}

// checkInboxReopened closes and opens the store: what was handled is remembered.
func checkInboxReopened(ctx context.Context, s *subject) error {
	if s.volatile {
		return skip("the store keeps nothing when it is closed, see conformance.WithoutReopen")
	}
	if err := s.received(ctx, model().Name, []carillon.Receipt{{ID: "a"}}, true); err != nil {
		return err
	}
	if err := s.reopen(ctx); err != nil {
		return err
	}
	if err := s.received(ctx, model().Name, []carillon.Receipt{{ID: "a"}, {ID: "b"}}, false, true); err != nil {
		return fmt.Errorf("after a close and an open: %w", err)
	}
	return nil
}

// checkInboxRace has the same messages come to one consumer from all sides, in any order: each has its effect once. Where the store has
// leases the consumer has segments, whose transactions run side by side.
func checkInboxRace(ctx context.Context, s *subject) error {
	receipts := make([]carillon.Receipt, 20)
	_, segmented := s.store.(carillon.LeaseStore)
	racers, racersCtx := newGroup(ctx)
	for racer := range s.sizes.Racers {
		ref := model()
		if segmented {
			ref.Segment = racer
		}
		random := rand.New(rand.NewPCG(s.seed, uint64(racer)))
		racers.start(func() error {
			for round := range s.sizes.Rounds {
				mine := slices.Clone(receipts)
				for i := range mine {
					mine[i].ID = fmt.Sprintf("message %d of round %d", i, round)
				}
				random.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				err := s.receiving(racersCtx, ref, func(tx carillon.ReadModelTx, in carillon.InboxTx) error { return effects(tx, in, mine) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := racers.wait(); err != nil {
		return err
	}
	rows, err := walkRows(ctx, s.store.ReadModels(), model(), 500)
	if err != nil {
		return err
	}
	if want := len(receipts) * s.sizes.Rounds; len(rows) != want {
		return fmt.Errorf("%d messages had an effect, want %d", len(rows), want)
	}
	for _, row := range rows {
		if row.Version != 1 {
			return fmt.Errorf("%s had its effect %d times", row.Key, row.Version)
		}
	}
	return nil
}

// effects counts for each message that comes for the first time.
func effects(tx carillon.ReadModelTx, in carillon.InboxTx, receipts []carillon.Receipt) error {
	first, err := in.Receive(receipts)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	var rows []carillon.Row
	for i := range receipts {
		if !first[i] {
			continue
		}
		had, err := tx.Row(receipts[i].ID)
		if err != nil && !errors.Is(err, carillon.ErrNotFound) {
			return err
		}
		rows = append(rows, row(receipts[i].ID, "effect", had.Version+1))
	}
	return tx.Put(rows)
}
