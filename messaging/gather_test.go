package messaging_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/messaging"
)

func balancesTopic() *messaging.Topic {
	return messaging.NewTopic("balances", messaging.Query[balance, owed]("balance"))
}

// branch answers a balance with an amount, or fails.
func branch(pence int, err error) part {
	return asked("balance", func(context.Context, balance) (owed, error) { return owed{pence}, err })
}

// TestGather asks three branches, one of which fails: the others' answers are there.
func TestGather(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, s site) {
		t.Helper()
		balances := balancesTopic()
		s.node(t, branch(1, nil), messaging.Serve("north", balances))
		s.node(t, branch(2, nil), messaging.Serve("south", balances))
		s.node(t, branch(0, carillon.Rejectf("closed on Sundays")), messaging.Serve("west", balances))
		shop, _ := s.node(t, messaging.Remote("shop", balances))
		for _, expected := range []messaging.Expected{messaging.Expect(3), messaging.ExpectFrom("north", "south", "west")} {
			answers, err := messaging.Gather[owed](t.Context(), shop.Engine, balances, balance{"ann"}, expected)
			must(t, err)
			got := make(map[string]int)
			for _, answer := range answers {
				got[answer.From] = answer.Value.Pence
				if rejected := errors.Is(answer.Err, carillon.ErrRejected); rejected != (answer.From == "west") {
					t.Errorf("%s answered with error %v", answer.From, answer.Err)
				}
			}
			if diff := cmp.Diff(map[string]int{"north": 1, "south": 2, "west": 0}, got); diff != "" || len(answers) != 3 {
				t.Errorf("%d answers: %s", len(answers), diff)
			}
		}
	})
}

// TestGatherInPart has a branch that does not answer in time.
func TestGatherInPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, balances := inMemory(), balancesTopic()
		stuck := asked("balance", func(ctx context.Context, _ balance) (owed, error) {
			<-ctx.Done()
			return owed{}, ctx.Err()
		})
		_, stopNorth := s.node(t, branch(1, nil), messaging.Serve("north", balances))
		_, stopSouth := s.node(t, stuck, messaging.Serve("south", balances))
		shop, stopShop := s.node(t, messaging.Remote("shop", balances, messaging.Timeout(3*time.Second)))
		tests := []struct {
			name     string
			expected messaging.Expected
			missing  []string
			want     int
		}{
			{"by name", messaging.ExpectFrom("north", "south", "west"), []string{"south", "west"}, 3},
			{"by number", messaging.Expect(2), nil, 2},
			{"whoever answers", messaging.Expect(0), nil, 0},
			{"the one that does", messaging.ExpectFrom("north"), nil, 0},
		}
		for _, test := range tests {
			answers, err := messaging.Gather[owed](t.Context(), shop.Engine, balances, balance{}, test.expected)
			if len(answers) != 1 || answers[0].From != "north" || answers[0].Value.Pence != 1 {
				t.Errorf("%s: answers %+v", test.name, answers)
			}
			partial, ok := errors.AsType[*messaging.PartialError](err)
			switch {
			case test.want == 0 && err != nil:
				t.Errorf("%s: %v", test.name, err)
			case test.want > 0 && (!ok || partial.Expected != test.want || partial.Answered != 1 || !slices.Equal(partial.Missing, test.missing) ||
				!errors.Is(err, carillon.ErrTimeout)):
				t.Errorf("%s: %#v", test.name, err)
			}
		}
		if counts := shop.Counts(); counts.Waiting != 0 {
			t.Errorf("after all: %+v", counts)
		}
		stopShop()
		stopNorth()
		stopSouth()
	})
}

// TestGatherCountsAServiceOnce has a branch that answers twice: it does not stand for another one.
func TestGatherCountsAServiceOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		balances, between := balancesTopic(), memory.Volatile()
		s := site{store: func() carillon.Store { return memory.Volatile() }, broker: between}
		slow := asked("balance", func(context.Context, balance) (owed, error) {
			<-time.After(time.Second)
			return owed{2}, nil
		})
		_, stopSouth := s.node(t, slow, messaging.Serve("south", balances))
		shop, stopShop := s.node(t, messaging.Remote("shop", balances))
		s.broker = doubling{between.Broker()}
		_, stopNorth := s.node(t, branch(1, nil), messaging.Serve("north", balances))
		answers, err := messaging.Gather[owed](t.Context(), shop.Engine, balances, balance{}, messaging.Expect(2))
		if err != nil || len(answers) != 2 || answers[0].From != "north" || answers[1].From != "south" {
			t.Errorf("answers %+v, error %v", answers, err)
		}
		if late := shop.Counts().Late; late != 1 {
			t.Errorf("%d answers came again, want 1: the branch does not answer twice", late)
		}
		stopShop()
		stopNorth()
		stopSouth()
	})
}

func TestMistakesOfGathering(t *testing.T) {
	t.Parallel()
	balances := balancesTopic()
	shop, err := inMemory().assemble(messaging.Remote("shop", balances))
	must(t, err)
	gather := func(topic *messaging.Topic, query any, expected messaging.Expected) error {
		_, err := messaging.Gather[owed](t.Context(), shop.Engine, topic, query, expected)
		return err
	}
	tests := []struct {
		name string
		err  error
	}{
		{"a topic of others", gather(balancesTopic(), balance{}, messaging.Expect(1))},
		{"a type the topic does not carry", gather(balances, fail{}, messaging.Expect(1))},
		{"less than nobody", gather(balances, balance{}, messaging.Expect(-1))},
		{"a service twice", gather(balances, balance{}, messaging.ExpectFrom("a", "a"))},
		{"another answer", func() error {
			_, err := messaging.Gather[string](t.Context(), shop.Engine, balances, balance{}, messaging.Expect(1))
			return err
		}()},
	}
	for _, test := range tests {
		if !errors.Is(test.err, carillon.ErrInvalid) {
			t.Errorf("%s: %v", test.name, test.err)
		}
	}
	_, err = shop.bus.Send(t.Context(), balance{}, cqrs.WithID("x"))
	if !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("a query sent as a command: %v", err)
	}
}
