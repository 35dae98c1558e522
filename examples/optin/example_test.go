package optin_test

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/examples/optin"
	"github.com/carillon-go/carillon/sourcing"
)

func Example() {
	tokens, err := sourcing.Bind(optin.Decider(), sourcing.Runtime{Log: eventlog.New(memory.Volatile().Log())})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	first, second := optin.NewToken(), optin.NewToken()
	for _, step := range []struct {
		what    string
		at      time.Time
		command any
	}{
		{"ask", now, optin.Request{Subscriber: "ann", Token: first}},
		{"confirm a day later", now.Add(optin.Lifetime), optin.Confirm{Token: first}},
		{"ask again", now.Add(optin.Lifetime), optin.Request{Subscriber: "ann", Token: second}},
		{"confirm with the first", now, optin.Confirm{Token: first}},
		{"confirm with the second", now.Add(optin.Lifetime), optin.Confirm{Token: second}},
		{"confirm again", now.Add(optin.Lifetime), optin.Confirm{Token: second}},
	} {
		_, err := tokens.Handle(context.Background(), &carillon.Message{Time: step.at, Value: step.command})
		fmt.Printf("%s: %v\n", step.what, err)
	}
	// Output:
	// ask: <nil>
	// confirm a day later: the token has expired
	// ask again: <nil>
	// confirm with the first: the token was replaced by a later one
	// confirm with the second: <nil>
	// confirm again: the token was used already
}
