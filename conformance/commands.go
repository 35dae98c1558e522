package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

func commandChecks() []check {
	return []check{
		{"command guard", checkCommandGuard},
		{"command lookup", checkCommandLookup},
	}
}

func checkCommandGuard(ctx context.Context, s *subject) error {
	event := func() carillon.Message { return s.event("cart.filled", "cart:1") }
	first := once(to("cart-1", carillon.NoStream(), event(), event()), "fill-1", 1)
	unlike := func(at int) carillon.Append {
		a := once(to("cart-1", carillon.AnyVersion(), event()), "fill-1", 1)
		a.Command.Digest[at] ^= 1
		return a
	}
	elsewhere := once(to("cart-2", carillon.AnyVersion(), event()), "fill-1", 1)
	conditional := unless(loose(event()), carillon.ByTags("cart:1"), 0)
	return s.play(ctx, newLedger(), []step{
		one("a command", accepted, first),
		one("the very same append again", duplicate, first),
		one("its first digest byte another", reused, unlike(0)),
		one("its last digest byte another", reused, unlike(15)),
		one("others append", accepted, to("cart-1", carillon.Exactly(2), event())),
		one("the same append again, now with a stale version", duplicate, first),
		one("the same command id and digest for another stream", duplicate, elsewhere),
		one("an id that differs in case", accepted, once(loose(event()), "Fill-1", 1)),
		one("a command without a stream", accepted, once(loose(event(), event()), "fill-2", 2)),
		one("that command again", duplicate, once(loose(event(), event()), "fill-2", 2)),
		one("a command whose condition does not hold", conditionConflict, once(conditional, "fill-3", 3)),
		one("a refused command does not use up its id", accepted, once(loose(event()), "fill-3", 4)),
		one("nor does it leave its digest behind", reused, once(loose(event()), "fill-3", 3)),
		one("a command whose condition has come not to hold", duplicate, once(conditional, "fill-3", 4)),
	})
}

func checkCommandLookup(ctx context.Context, s *subject) error {
	l := newLedger()
	unknown := func(id string) error {
		if record, err := s.log.Command(ctx, id); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("command %q: got %+v and error %w, want ErrNotFound", id, record, errOrNil(err))
		}
		return nil
	}
	if err := unknown("pay-1"); err != nil {
		return fmt.Errorf("empty log: %w", err)
	}
	pay := once(to("bill-1", carillon.AnyVersion(), s.events(3, "bill.paid")...), "pay-1", 0xfe)
	err := s.play(ctx, l, []step{
		one("an append before", accepted, to("bill-1", carillon.NoStream(), s.event("bill.sent"))),
		one("a command", accepted, pay),
		one("an append behind", accepted, to("bill-1", carillon.Exactly(4), s.event("bill.filed"))),
		one("a duplicate changes nothing", duplicate, pay),
		one("nor does another use of its id", reused, once(loose(s.event("bill.paid")), "pay-1", 1)),
		one("a refused command", versionConflict, once(to("bill-1", carillon.NoStream(), s.event("bill.paid")), "pay-2", 1)),
	})
	if err != nil {
		return err
	}
	for _, id := range []string{"pay-2", "pay", "PAY-1", "pay-1x"} {
		if err := unknown(id); err != nil {
			return err
		}
	}
	return nil
}

// errOrNil gives a missing error a text.
func errOrNil(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}
