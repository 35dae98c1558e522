package eventtest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/sourcing"
)

type open struct{ Owner string }

type stamp struct{}

type note struct{ Text string }

type opened struct {
	Owner string
	At    time.Time
	lost  int
}

type noted struct{ Text string }

type account struct {
	Open  bool
	Owner string
	Notes []string
}

func (a account) opened(e opened) account { a.Open, a.Owner = true, e.Owner; return a }

func (a account) noted(e noted) account {
	a.Notes = append(a.Notes[:len(a.Notes):len(a.Notes)], e.Text)
	return a
}

type tagged struct{ Course string }

func (e tagged) Tags() []carillon.Tag { return []carillon.Tag{carillon.NewTag("course", e.Course)} }

type hidden struct{}

func (*hidden) Tags() []carillon.Tag { return []carillon.Tag{"a:1"} }

var errBroken = errors.New("broken")

func key[C any](C) string { return "1" }

func accounts(parts ...sourcing.Part[account]) *sourcing.Decider[account] {
	return sourcing.Aggregate("account", append([]sourcing.Part[account]{
		sourcing.On("account.opened", account.opened),
		sourcing.On("account.noted", account.noted),
		sourcing.DecideAt("account.open", key[open], func(a account, m sourcing.Moment, c open) ([]carillon.Event, error) {
			if a.Open {
				return nil, carillon.Rejectf("open already")
			}
			return carillon.Events(opened{Owner: c.Owner, At: m.Now}), nil
		}),
		sourcing.Decide("account.note", key[note], func(a account, c note) ([]carillon.Event, error) {
			if c.Text == "" {
				return nil, nil
			}
			return carillon.Events(noted{c.Text}), nil
		}),
		sourcing.Decide("account.stamp", key[stamp], func(account, stamp) ([]carillon.Event, error) { return nil, errBroken }),
	}, parts...)...)
}

func TestDecisionsThatHold(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	eventtest.Decider(t, accounts()).At(noon).When(open{"Ann"}).Then(opened{Owner: "Ann", At: noon})
	eventtest.Decider(t, accounts()).Given(opened{Owner: "Ann"}).When(open{"Bob"}).ThenRejected("open already")
	eventtest.Decider(t, accounts()).When(note{}).ThenNothing()
	eventtest.Decider(t, accounts()).When(stamp{}).ThenError(errBroken)
	eventtest.Decider(t, accounts()).When(note{"a"}).When(note{"b"}).ThenState(account{Notes: []string{"a", "b"}})
}

func TestDecisionsThatFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run  func(t testing.TB)
		want []string
	}{
		"other events": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(note{"a"}).Then(noted{"b"}) },
			[]string{"other events", `-   Text: "b",`, `+   Text: "a",`},
		},
		"events instead of none": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(note{"a"}).ThenNothing() }, []string{"other events", "noted"},
		},
		"none instead of events": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(note{}).Then(noted{"a"}) }, []string{"other events"},
		},
		"refused": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(stamp{}).Then(noted{"a"}) }, []string{"was refused: broken"},
		},
		"not rejected": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(note{"a"}).ThenRejected("no") }, []string{"not rejected"},
		},
		"an error is no rejection": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(stamp{}).ThenRejected("broken") }, []string{"not rejected", "broken"},
		},
		"another reason": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts()).Given(opened{}).When(open{}).ThenRejected("closed")
			}, []string{"another reason", "- closed", "+ open already"},
		},
		"another error": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(note{"a"}).ThenError(errBroken) }, []string{"came to <nil>"},
		},
		"an unknown command": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).When(42).Then() }, []string{"decides no int"},
		},
		"another state": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).Given(noted{"a"}).ThenState(account{}) }, []string{"state is another", `"a"`},
		},
		"an unregistered event": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).Given(note{"a"}) }, []string{"not registered", "account.noted"},
		},
		"a field the codec loses": {
			func(t testing.TB) { eventtest.Decider(t, accounts()).Given(opened{lost: 1}) }, []string{"not the same behind the codec", "-   lost: 1,", "+   lost: 0,"},
		},
		"a decision that differs the second time": {
			func(t testing.TB) {
				calls := 0
				eventtest.Decider(t, accounts(sourcing.Decide("account.count", key[int], func(account, int) ([]carillon.Event, error) {
					calls++
					return carillon.Events(noted{time.Duration(calls).String()}), nil
				}))).When(1)
			}, []string{"not pure", "second time"},
		},
		"a decision that changes its state": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts(sourcing.Decide("account.spoil", key[bool], func(a account, _ bool) ([]carillon.Event, error) {
					a.Notes[0] = "spoilt"
					return nil, nil
				}))).Given(noted{"a"}).When(true)
			}, []string{"not pure", "changed the state it was given"},
		},
		"a fold that changes its state": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts(sourcing.On("account.spoilt", func(a account, e note) account {
					a.Notes[0] = e.Text
					return a
				}))).Given(noted{"a"}, note{"b"})
			}, []string{"not pure", "changed the state it was given"},
		},
		"a decision that changes its command": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts(sourcing.Decide("account.list", key[[]string], func(_ account, c []string) ([]carillon.Event, error) {
					c[0] = "spoilt"
					return nil, nil
				}))).When([]string{"a"})
			}, []string{"not pure", "[]string was changed", `- `, `+   "spoilt"`},
		},
		"an error that differs the second time": {
			func(t testing.TB) {
				calls := 0
				eventtest.Decider(t, accounts(sourcing.Decide("account.count", key[int], func(account, int) ([]carillon.Event, error) {
					calls++
					return nil, carillon.Rejectf("call %d", calls)
				}))).When(1)
			}, []string{"not pure", "second time", "- error: call 1", "+ error: call 2"},
		},
		"a fold that differs the second time": {
			func(t testing.TB) {
				calls := 0
				eventtest.Decider(t, accounts(sourcing.On("account.counted", func(a account, _ bool) account {
					calls++
					a.Owner = time.Duration(calls).String()
					return a
				}))).Given(true)
			}, []string{"not pure", "second time it came to another state"},
		},
		"a fold that changes its event": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts(sourcing.On("account.listed", func(a account, e []string) account {
					e[0] = "spoilt"
					return a
				}))).Given([]string{"a"})
			}, []string{"not pure", "it changed the event"},
		},
		"a command without a key": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts(sourcing.Decide("account.anonymous", func(int) string { return "" },
					func(account, int) ([]carillon.Event, error) { return nil, nil }))).When(1)
			}, []string{"names no boundary"},
		},
		"an event too large for a log": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts()).Given(noted{strings.Repeat("x", carillon.MaxPayload)})
			}, []string{"too large"},
		},
		"an event with a bad tag": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts(sourcing.On("account.tagged", func(a account, _ tagged) account { return a }))).Given(tagged{})
			}, []string{`tag "course:"`},
		},
		"tags nobody finds": {
			func(t testing.TB) {
				eventtest.Decider(t, accounts(sourcing.On("account.hidden", func(a account, _ hidden) account { return a }))).Given(hidden{})
			}, []string{"has a pointer receiver"},
		},
		"a state that a snapshot loses": {
			func(t testing.TB) {
				type state struct{ Count forgetful }
				eventtest.Decider(t, sourcing.Aggregate("counter", sourcing.SnapshotEvery[state](10),
					sourcing.On("noted", func(s state, _ noted) state { s.Count++; return s }))).Given(noted{"a"})
			}, []string{"saves snapshots", "-   Count: 1,", "+   Count: 0,"},
		},
		"a definition with a mistake": {
			func(t testing.TB) { eventtest.Decider(t, accounts(sourcing.On("account.noted", account.noted))) }, []string{"not sound"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			test.run(r)
			r.expect(t, test.want...)
		})
	}
}

// forgetful is a number whose encoding loses it.
type forgetful int

func (forgetful) MarshalText() ([]byte, error) { return []byte("0"), nil }

func (f *forgetful) UnmarshalText([]byte) error {
	*f = 0
	return nil
}
