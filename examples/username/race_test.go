package username_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/username"
	"github.com/carillon-go/carillon/internal/racing"
)

// TestAClaimOfOneName has 64 users claim a name at the same moment.
func TestAClaimOfOneName(t *testing.T) {
	t.Parallel()
	spellings := []string{"ann", "Ann", "ANN", "aNN"}
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		commands := make([]any, 64)
		for i := range commands {
			commands[i] = claim{user(i), spellings[i%len(spellings)]}
		}
		winners := racing.Run(t, log, username.Decider(), commands)
		err := unique(t, log)
		if guarded && (len(winners) != 1 || err != nil) {
			t.Errorf("%d users got the name: %v", len(winners), err)
		}
		if !guarded && (len(winners) != len(commands) || !errors.Is(err, errTaken)) {
			t.Errorf("%d users got the name without the condition, error %v: the race was none", len(winners), err)
		}
	})
}

// TestARenameToOneName has users change their names for the same one, while new ones claim it.
func TestARenameToOneName(t *testing.T) {
	t.Parallel()
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		const users = 32
		var before, commands []any
		for i := range users {
			before = append(before, claim{user(i), "name-" + user(i)})
			commands = append(commands, rename{user(i), "wanted"}, claim{user(users + i), "wanted"})
		}
		racing.Run(t, log, username.Decider(), before)
		winners := racing.Run(t, log, username.Decider(), commands)
		err := unique(t, log)
		if guarded && (len(winners) != 1 || err != nil) {
			t.Errorf("%d users got the name: %v", len(winners), err)
		}
		if !guarded && (len(winners) != len(commands) || !errors.Is(err, errTaken)) {
			t.Errorf("%d users got the name without the condition, error %v: the race was none", len(winners), err)
		}
	})
}

// TestManyClaimsOfOneUser has one user claim 64 names at the same moment, each of them free.
func TestManyClaimsOfOneUser(t *testing.T) {
	t.Parallel()
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		commands := make([]any, 64)
		for i := range commands {
			commands[i] = claim{"1", "name-" + user(i)}
		}
		names := racing.Run(t, log, username.Decider(), commands)
		if guarded != (len(names) == 1) {
			t.Errorf("the user got %d names; does the log keep conditions: %t", len(names), guarded)
		}
	})
}

var errTaken = errors.New("a name has two holders")

// unique reads the log from its beginning. The error says at which event a name has two holders.
func unique(t testing.TB, log carillon.Log) error {
	t.Helper()
	holders := make(map[string]string)
	for _, event := range racing.History(t, log) {
		var e struct{ User, Name string }
		if err := json.Unmarshal(event.Payload, &e); err != nil {
			t.Fatal(err)
		}
		name := strings.ToLower(e.Name)
		if event.Type == "username.released" {
			delete(holders, name)
			continue
		}
		if holder, taken := holders[name]; taken {
			return fmt.Errorf("event %d: %s is the name of %s and %s: %w", event.Position, e.Name, holder, e.User, errTaken)
		}
		holders[name] = e.User
	}
	return nil
}

func user(n int) string { return fmt.Sprint("u", n) }
