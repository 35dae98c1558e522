// First is a whole service: a contract, a decision, a read model, REST, on one SQLite file.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
	"github.com/carillon-go/carillon/sourcing"
)

type OpenAccount struct{ ID, Owner string } // a command

type Opened struct{ Owner string } // an event

type Account struct{ Open bool } // what a decision needs to know

type Owner struct{ Name string } // a row of a read model

func (c OpenAccount) Key() string { return c.ID }

func (a Account) Opened(Opened) Account { a.Open = true; return a } // evolve: pure

func (a Account) DecideOpen(c OpenAccount) ([]carillon.Event, error) { // decide: pure
	if a.Open {
		return nil, carillon.Rejectf("account %s is open already", c.ID)
	}
	return carillon.Events(Opened{Owner: c.Owner}), nil
}

func (o Owner) Opened(e Opened) Owner { o.Name = e.Owner; return o } // fold: pure

var account = sourcing.Aggregate("account",
	sourcing.On("account.opened", Account.Opened),
	sourcing.Decide("account.open", OpenAccount.Key, Account.DecideOpen))

var owners = projection.Keyed("owners", projection.On("account.opened", Owner.Opened))

func bank(file, address string) *app.App {
	return app.New(sqlite.File(file), account, owners,
		rest.Serve(address,
			rest.Command[OpenAccount]("POST /accounts"),
			rest.Get("GET /accounts/{id}", owners)))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := bank("bank.db", "127.0.0.1:8080").Run(ctx); err != nil {
		log.Fatal(err)
	}
}
