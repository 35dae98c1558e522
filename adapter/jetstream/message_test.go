package jetstream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go"
	client "github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// TestWire reads what is stored in a stream, header by header, and puts foreign messages there.
func TestWire(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	b := open(t, url)
	declare(t, b, carillon.Topic{Name: "orders.v2", Subscriptions: []string{"billing"}, Partitions: 1})
	sent := carillon.Message{
		ID: "0190 1", Kind: carillon.KindCommand, Type: "order.place", SchemaVersion: 2, Key: "Größe 5", Tenant: "t%",
		Time: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC), ContentType: "application/json", Headers: map[string]string{"subject": "o", "expected-version": "3"},
		Payload: []byte(`{"a":1}`),
	}
	publish(t, b, "orders.v2", sent)
	conn, js := connect(t, url)
	stream, err := js.Stream(t.Context(), "carillon_orders=v2")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, added := range []string{"Nats-Sequence", "Nats-Stream", "Nats-Subject", "Nats-Time-Stamp"} { // by reading
		delete(stored.Header, added)
	}
	want := nats.Header{
		"Nats-Msg-Id": {"0190%201"}, "ce-specversion": {"1.0"}, "ce-id": {"0190%201"}, "ce-source": {"carillon"}, "ce-type": {"order.place"},
		"ce-time": {"2026-11-21T09:30:00Z"}, "ce-datacontenttype": {"application/json"}, "ce-kind": {"command"},
		"ce-partitionkey": {"Gr%C3%B6%C3%9Fe%205"}, "ce-schemaversion": {"2"}, "ce-tenant": {"t%25"}, "ce-subject": {"o"},
		"ce-headers": {"{%22expected-version%22:%223%22}"},
	}
	if diff := cmp.Diff(want, stored.Header, cmpopts.EquateEmpty()); diff != "" || stored.Subject != "carillon.orders=v2.0" || string(stored.Data) != `{"a":1}` {
		t.Errorf("stored under %s: %s %s", stored.Subject, stored.Data, diff)
	}
	foreign(t, conn, js)

	s := subscribe(t, b, "orders.v2", "billing", carillon.SubscribeOptions{})
	got := receive(t, s, 5)
	if diff := cmp.Diff(sent, got[0].Message); diff != "" {
		t.Error(diff)
	}
	if m := got[1].Message; m.ID != "f1" || m.Type != "foreign" || m.ContentType != "text/plain" || m.Headers["source"] != "/elsewhere" {
		t.Errorf("a foreign event became %+v", m)
	}
	if m := got[2].Message; m.ID != "f2" || string(m.Payload) != `{"b":2}` {
		t.Errorf("a structured event became %+v", m)
	}
	if m := got[3].Message; m.ID != `f "3"` || m.ContentType != "text/plain" || string(m.Payload) != "hello" {
		t.Errorf("a structured event without a header became %+v", m)
	}
	m := got[4].Message
	if m.Type != jetstream.Unreadable || m.ID != "carillon_orders=v2/5" || m.Kind != carillon.KindDocument || string(m.Payload) != "what?" ||
		m.Headers["unreadable"] == "" || m.Headers["X-Own"] != "1" {
		t.Errorf("what is no event became %+v", m)
	}
	ack(t, s, got...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// foreign publishes an event of other software in each mode, and something that is no event.
func foreign(t testing.TB, conn *nats.Conn, js client.JetStream) {
	t.Helper()
	for _, msg := range []*nats.Msg{
		{
			Header: nats.Header{
				"Ce-Id": {"f1"}, "ce-type": {"foreign"}, "ce-source": {"/elsewhere"}, "ce-specversion": {"1.0"}, "Content-Type": {"text/plain"},
			},
			Data: []byte("hi"),
		},
		{
			Header: nats.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}},
			Data:   []byte(`{"specversion":"1.0","id":"f2","source":"/x","type":"foreign","data":{"b":2}}`),
		},
		{Data: []byte(`{"specversion":"1.0","id":"f \"3\"","source":"/x","type":"foreign","datacontenttype":"text/plain","data":"hello"}`)},
		{Header: nats.Header{"X-Own": {"1"}}, Data: []byte("what?")},
	} {
		msg.Subject = "carillon.orders=v2.0"
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}
