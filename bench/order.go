package main

import (
	"encoding/json"
	"fmt"

	"github.com/carillon-go/carillon"
)

// The names of the event and the command of every case.
const (
	orderPlaced = "order.placed"
	placeOrder  = "order.place"
)

// payloadBytes is the size of every event as JSON.
const payloadBytes = 190

// OrderPlaced is the event of every case.
type OrderPlaced struct {
	Order       string `json:"order"`
	Customer    string `json:"customer"`
	Stock       string `json:"stock"`
	Description string `json:"description"`
	Country     string `json:"country"`
	Units       int64  `json:"units"`
	Pence       int64  `json:"pence"`
	Terms       string `json:"terms"`
}

// PlaceOrder is the command of every case.
type PlaceOrder struct {
	Order, Customer, Stock, Description, Country string
	// Units are ordered at Pence each.
	Units, Pence int64
}

// Customer is what a decision needs to know, and the row of a read model.
type Customer struct {
	Orders int64 `json:"orders"`
	Units  int64 `json:"units"`
	Pence  int64 `json:"pence"`
}

// Key names the aggregate of a command.
func (p PlaceOrder) Key() string { return p.Customer }

// Placed folds an order into the customer's state.
func (c Customer) Placed(e OrderPlaced) Customer {
	c.Orders++
	c.Units += e.Units
	c.Pence += e.Pence
	return c
}

// creditLimit is far beyond what any case reaches, so that no command is rejected.
const creditLimit = 1 << 50

// place decides a command. Every contestant calls it.
func (c Customer) place(p PlaceOrder) (OrderPlaced, error) {
	event := OrderPlaced{
		Order: p.Order, Customer: p.Customer, Stock: p.Stock, Description: p.Description, Country: p.Country,
		Units: p.Units, Pence: p.Units * p.Pence, Terms: "30 days, invoice",
	}
	switch {
	case p.Units <= 0:
		return OrderPlaced{}, carillon.Rejectf("order %s is for nothing", p.Order)
	case c.Pence+event.Pence > creditLimit:
		return OrderPlaced{}, carillon.Rejectf("customer %s is over the credit limit", p.Customer)
	}
	return event, nil
}

// DecidePlace decides a command as a decider does.
func (c Customer) DecidePlace(p PlaceOrder) ([]carillon.Event, error) {
	event, err := c.place(p)
	if err != nil {
		return nil, err
	}
	return carillon.Events(event), nil
}

// customerKey is the key of the nth customer.
func customerKey(n int) string { return fmt.Sprintf("%06d", n) }

// customerStream is the stream of a customer.
func customerStream(key string) string { return "customer-" + key }

// commandFor makes the nth command, of a customer. Its event has [payloadBytes] bytes for n below a billion.
func commandFor(n int, customer string) PlaceOrder {
	return PlaceOrder{
		Order: fmt.Sprintf("536-%09d", n), Customer: customer, Stock: "85123A", Description: "WHITE HANGING HEART T-LIGHT HOLDER",
		Country: "United Kingdom", Units: int64(4 + n%4), Pence: int64(250 + n%750),
	}
}

// orderFor makes the nth event, of a customer.
func orderFor(n int, customer string) OrderPlaced {
	event, err := Customer{}.place(commandFor(n, customer))
	if err != nil {
		panic(err) // the orders made here are for something
	}
	return event
}

// payloadFor encodes the nth event, of a customer.
func payloadFor(n int, customer string) []byte {
	payload, err := json.Marshal(orderFor(n, customer))
	if err != nil {
		panic(err) // strings and integers can be encoded
	}
	return payload
}
