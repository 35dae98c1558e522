package cqrs_test

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
)

type (
	Greet    struct{ Name string }
	Greeting struct{ Of string }
)

func (c Greet) Validate() error {
	if c.Name == "" {
		return carillon.Rejectf("whom?")
	}
	return nil
}

// Most commands are those of deciders, and an application collects them. Here both handlers are written by hand.
func Example() {
	said := map[string]string{}
	contract, err := cqrs.NewContract(
		cqrs.Command("greet", func(_ context.Context, message *carillon.Message, c Greet) (carillon.Appended, error) {
			said[c.Name] = "Hello, " + c.Name
			return carillon.Appended{}, nil
		}),
		cqrs.Query("greeting", func(_ context.Context, q Greeting) (string, error) { return said[q.Of], nil }))
	if err != nil {
		fmt.Println(err)
		return
	}
	bus := cqrs.NewBus(contract, cqrs.Recover(), cqrs.Validate())
	ctx := context.Background()

	_, err = bus.Send(ctx, Greet{Name: "Ann"})
	fmt.Println(err)
	greeting, err := cqrs.Ask[string](ctx, bus, Greeting{Of: "Ann"})
	fmt.Println(greeting, err)
	_, err = bus.Send(ctx, Greet{})
	fmt.Println(err)
	// Output:
	// <nil>
	// Hello, Ann <nil>
	// command "greet": invalid: whom?
}
