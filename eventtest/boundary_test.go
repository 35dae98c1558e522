package eventtest_test

import (
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/sourcing"
)

type (
	sell    struct{ Show, Guest string }
	sold    struct{ Show, Guest string }
	tickets struct{ Sold int }
)

func (e sold) Tags() []carillon.Tag {
	return []carillon.Tag{carillon.NewTag("show", e.Show), carillon.NewTag("guest", e.Guest)}
}

// shows sell two tickets each. The state counts whatever the boundary holds.
func shows() *sourcing.Decider[tickets] {
	return sourcing.Boundary("show",
		sourcing.On("ticket.sold", func(s tickets, _ sold) tickets { s.Sold++; return s }),
		sourcing.On("ticket.lost", func(s tickets, _ noted) tickets { return s }),
		sourcing.Decide("ticket.sell", func(c sell) []carillon.Tag {
			if c.Show == "" {
				return nil
			}
			return []carillon.Tag{carillon.NewTag("show", c.Show)}
		}, func(s tickets, c sell) ([]carillon.Event, error) {
			if s.Sold == 2 {
				return nil, carillon.Rejectf("sold out")
			}
			return carillon.Events(sold(c)), nil
		}),
		sourcing.Decide("ticket.lose", func(c string) []carillon.Tag { return []carillon.Tag{carillon.Tag(c)} },
			func(s tickets, c string) ([]carillon.Event, error) { return carillon.Events(noted{c}), nil }))
}

// TestACommandSeesItsBoundary: what happened elsewhere is not part of the state, as it is not in a log.
func TestACommandSeesItsBoundary(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, shows()).
		Given(sold{"hamlet", "ann"}, sold{"macbeth", "bob"}, sold{"macbeth", "cid"}).
		When(sell{"hamlet", "dan"}).Then(sold{"hamlet", "dan"}).ThenState(tickets{Sold: 2}).
		When(sell{"hamlet", "eve"}).ThenRejected("sold out").
		When(sell{"macbeth", "eve"}).ThenRejected("sold out").
		When(sell{"lear", "eve"}).ThenState(tickets{Sold: 1})
}

func TestBoundariesThatFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run  func(t testing.TB)
		want []string
	}{
		"no tags":                  {func(t testing.TB) { eventtest.Decider(t, shows()).When(sell{}) }, []string{"names no boundary"}},
		"a bad tag":                {func(t testing.TB) { eventtest.Decider(t, shows()).When("lost") }, []string{`tag "lost"`, "no tags"}},
		"an event no boundary has": {func(t testing.TB) { eventtest.Decider(t, shows()).When("lost:1") }, []string{"carries no tags"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			test.run(r)
			r.expectAny(t, test.want...)
		})
	}
}
