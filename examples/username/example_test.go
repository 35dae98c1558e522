package username_test

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/examples/username"
	"github.com/carillon-go/carillon/sourcing"
)

func Example() {
	names, err := sourcing.Bind(username.Decider(), sourcing.Runtime{Log: eventlog.New(memory.Volatile().Log())})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, command := range []any{
		username.Claim{User: "1", Name: "ann"},
		username.Claim{User: "2", Name: "Ann"},
		username.Rename{User: "1", Name: "anna"},
		username.Claim{User: "2", Name: "Ann"},
	} {
		_, err := names.Handle(context.Background(), &carillon.Message{Value: command})
		fmt.Printf("%T: %v\n", command, err)
	}
	// Output:
	// username.Claim: <nil>
	// username.Claim: the name Ann is taken
	// username.Rename: <nil>
	// username.Claim: <nil>
}
