package asyncapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/asyncapi"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/sourcing"
)

type (
	placed struct {
		Order string `json:"order"`
		Pence int64  `json:"pence"`
	}
	paid struct {
		Order string `json:"order"`
	}
	remind struct {
		Order string `json:"order"`
	}
)

func ordersTopic() *messaging.Topic {
	return messaging.NewTopic("orders", messaging.Event[placed]("order.placed"), messaging.Event[paid]("order/paid"), messaging.Command[remind]("order.remind"))
}

func billing(orders *messaging.Topic) *messaging.Consumer {
	return messaging.Consume("billing", orders, messaging.On(func(context.Context, *messaging.Tx, placed) error { return nil }))
}

// read is a document as far as tests look at it.
type read struct {
	AsyncAPI string
	Servers  map[string]map[string]string
	Channels map[string]struct {
		Messages map[string]struct{ Headers struct{ Required []string } }
	}
	Operations map[string]struct {
		Action   string
		Messages []map[string]string
	}
	Components struct{ Schemas map[string]json.RawMessage }
}

func written(t *testing.T, parts ...asyncapi.Part) (document []byte, r read) {
	t.Helper()
	document, err := asyncapi.Document("Test", parts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &r); err != nil {
		t.Fatal(err)
	}
	return document, r
}

func TestDocument(t *testing.T) {
	t.Parallel()
	orders := ordersTopic()
	decider := sourcing.Aggregate[int]("order") // which is passed over
	_, got := written(t, asyncapi.Service("shop", decider, messaging.Forward(orders)), asyncapi.Service("reminders", orders),
		asyncapi.Service("billing", billing(orders)), asyncapi.Broker("kafka://user:secret@a:9092"))
	if got.AsyncAPI != "3.0.0" {
		t.Errorf("version %q", got.AsyncAPI)
	}
	if diff := cmp.Diff(map[string]map[string]string{"broker": {"host": "a:9092", "protocol": "kafka"}}, got.Servers); diff != "" {
		t.Error(diff)
	}
	operations := make(map[string][]string)
	for name, operation := range got.Operations {
		operations[name] = []string{operation.Action}
		for _, message := range operation.Messages {
			operations[name] = append(operations[name], message["$ref"])
		}
	}
	want := map[string][]string{
		"shop.send.orders": {"send", "#/channels/orders/messages/order.placed", "#/channels/orders/messages/order_paid"},
		"reminders.send.orders": {
			"send", "#/channels/orders/messages/order.placed", "#/channels/orders/messages/order.remind", "#/channels/orders/messages/order_paid",
		},
		"billing.receive.orders": {"receive", "#/channels/orders/messages/order.placed"},
	}
	if diff := cmp.Diff(want, operations); diff != "" {
		t.Error(diff)
	}
	messages := got.Channels["orders"].Messages
	if diff := cmp.Diff([]string{"order.placed", "order.remind", "order_paid"}, slices.Sorted(maps.Keys(messages))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ce_id", "ce_source", "ce_specversion", "ce_type", "ce_kind"}, messages["order.remind"].Headers.Required); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Paid", "Placed", "Remind"}, slices.Sorted(maps.Keys(got.Components.Schemas))); diff != "" {
		t.Error(diff)
	}
}

// TestOneWayOfWriting has the same services give the same bytes.
func TestOneWayOfWriting(t *testing.T) {
	t.Parallel()
	var first []byte
	for range 20 {
		orders := ordersTopic()
		document, _ := written(t, asyncapi.Service("shop", orders), asyncapi.Service("billing", billing(orders)))
		if first == nil {
			first = document
		}
		if !bytes.Equal(first, document) {
			t.Fatalf("%s\nand then\n%s", first, document)
		}
	}
}

func TestWhatCannotBeDescribed(t *testing.T) {
	t.Parallel()
	other := messaging.NewTopic("orders", messaging.Event[paid]("order.placed"))
	for name, parts := range map[string][]asyncapi.Part{
		"one topic of two kinds":   {asyncapi.Service("shop", ordersTopic()), asyncapi.Service("billing", billing(ordersTopic()), other)},
		"a broker without a host":  {asyncapi.Broker("nats:")},
		"a broker that is no URL":  {asyncapi.Broker("nats://user:secret@[")},
		"a consumer without topic": {asyncapi.Service("billing", messaging.Consume("billing", nil))},
	} {
		if _, err := asyncapi.Document("Test", parts...); !errors.Is(err, carillon.ErrInvalid) || bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
