package optin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/optin"
	"github.com/carillon-go/carillon/internal/racing"
)

// TestATokenIsConfirmedOnce has one token confirmed 64 times at the same moment.
func TestATokenIsConfirmedOnce(t *testing.T) {
	t.Parallel()
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		racing.Run(t, log, optin.Decider(), []any{request{"ann", "t1"}})
		commands := make([]any, 64)
		for i := range commands {
			commands[i] = confirm{"t1"}
		}
		accepted := racing.Run(t, log, optin.Decider(), commands)
		err := sound(t, log)
		if guarded && (len(accepted) != 1 || err != nil) {
			t.Errorf("the token confirmed %d times: %v", len(accepted), err)
		}
		if !guarded && (len(accepted) != len(commands) || !errors.Is(err, errTwice)) {
			t.Errorf("the token confirmed %d times without the condition, error %v: the race was none", len(accepted), err)
		}
	})
}

// TestAConfirmationAndARequestCross has tokens confirmed while they are replaced: of each, one or the other happens.
func TestAConfirmationAndARequestCross(t *testing.T) {
	t.Parallel()
	const subscribers = 32
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		var before, commands []any
		for n := range subscribers {
			subscriber := fmt.Sprint("s", n)
			before = append(before, request{subscriber, subscriber + " first"})
			commands = append(commands, confirm{subscriber + " first"}, request{subscriber, subscriber + " second"})
		}
		racing.Run(t, log, optin.Decider(), before)
		accepted := racing.Run(t, log, optin.Decider(), commands)
		err := sound(t, log)
		if guarded && (len(accepted) != subscribers || err != nil) {
			t.Errorf("%d of %d subscribers confirmed or were asked again: %v", len(accepted), subscribers, err)
		}
		if !guarded && (len(accepted) != 2*subscribers || !errors.Is(err, errCrossed)) {
			t.Errorf("without the condition %d commands were accepted, error %v: the race was none", len(accepted), err)
		}
	})
}

// TestRequestsCross has one subscriber asked 64 times at the same moment. One token is left that confirms.
func TestRequestsCross(t *testing.T) {
	t.Parallel()
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		requests, confirms := make([]any, 64), make([]any, 64)
		for n := range requests {
			requests[n], confirms[n] = request{"ann", fmt.Sprint("t", n)}, confirm{fmt.Sprint("t", n)}
		}
		asked := racing.Run(t, log, optin.Decider(), requests)
		accepted := racing.Run(t, log, optin.Decider(), confirms)
		err := sound(t, log)
		if guarded && (len(asked) != len(requests) || len(accepted) != 1 || err != nil) {
			t.Errorf("of %d tokens %d confirmed: %v", len(asked), len(accepted), err)
		}
		if !guarded && (len(accepted) != len(requests) || !errors.Is(err, errTwice)) {
			t.Errorf("without the condition %d tokens confirmed, error %v: the race was none", len(accepted), err)
		}
	})
}

// TestTheLogHoldsNoToken: who reads it cannot confirm.
func TestTheLogHoldsNoToken(t *testing.T) {
	t.Parallel()
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, _ bool) {
		token := optin.NewToken()
		racing.Run(t, log, optin.Decider(), []any{request{"ann", token}})
		racing.Run(t, log, optin.Decider(), []any{confirm{token}})
		events := racing.History(t, log)
		if len(events) != 2 {
			t.Errorf("%d events, want 2", len(events))
		}
		for _, event := range events {
			text := fmt.Sprintf("%+v %s", event, event.Payload)
			if strings.Contains(text, token) || !strings.Contains(text, optin.Digest(token)) {
				t.Errorf("the token %s or not its digest: %s", token, text)
			}
		}
	})
}

var (
	errTwice   = errors.New("a subscriber confirmed twice")
	errCrossed = errors.New("a subscriber confirmed with a token that was replaced, or was asked after having confirmed")
)

// sound reads the log from its beginning. The error says which rules were broken first, at which event.
func sound(t testing.TB, log carillon.Log) error {
	t.Helper()
	last := make(map[string]string) // the last token's digest, by subscriber
	confirmed := make(map[string]bool)
	var twice, crossed error
	for _, event := range racing.History(t, log) {
		var e struct{ Subscriber, Digest string }
		if err := json.Unmarshal(event.Payload, &e); err != nil {
			t.Fatal(err)
		}
		confirms := event.Type == "optin.confirmed"
		if twice == nil && confirms && confirmed[e.Subscriber] {
			twice = fmt.Errorf("event %d: %s: %w", event.Position, e.Subscriber, errTwice)
		}
		if crossed == nil && (confirms && last[e.Subscriber] != e.Digest || !confirms && confirmed[e.Subscriber]) {
			crossed = fmt.Errorf("event %d: %s: %w", event.Position, e.Subscriber, errCrossed)
		}
		last[e.Subscriber] = e.Digest
		confirmed[e.Subscriber] = confirmed[e.Subscriber] || confirms
	}
	return errors.Join(twice, crossed)
}
