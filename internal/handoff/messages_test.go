//go:build unix

package handoff_test

import (
	"fmt"

	"github.com/carillon-go/carillon/messaging"
)

const (
	placedType = "order.placed"
	billedType = "order.billed"
	// billing consumes orders and publishes bills, archive consumes those.
	billing = "billing"
	archive = "archive"
)

// placed is the Nth order of an account.
type placed struct {
	Account string `json:"account"`
	N       int64  `json:"n"`
}

// Key keeps the orders of an account in order.
func (p placed) Key() string { return p.Account }

// ID is that of the order, however often it is sent.
func (p placed) ID() string { return fmt.Sprintf("%s-%d", p.Account, p.N) }

// billed is the answer to an order.
type billed struct {
	Account string `json:"account"`
	N       int64  `json:"n"`
}

// Key keeps the bills of an account in order.
func (b billed) Key() string { return b.Account }

// exchange are the topics of a process.
type exchange struct{ orders, bills *messaging.Topic }

func newExchange() exchange {
	return exchange{
		orders: messaging.NewTopic("orders", messaging.Event[placed](placedType)),
		bills:  messaging.NewTopic("bills", messaging.Event[billed](billedType)),
	}
}
