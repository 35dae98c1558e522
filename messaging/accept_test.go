package messaging_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/messaging"
)

// TestClaimsOfOutsiders accepts a message that says where a payload of another is: its receiver is given the message's own.
func TestClaimsOfOutsiders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		place := newVault()
		ours := []byte(`{"Name":"ours","Pages":""}`)
		reference, err := place.Put(t.Context(), "payrolls", ours)
		must(t, err)
		digest := sha256.Sum256(ours)
		s, scans, came := inMemory(), scansTopic(place), make(chan carillon.Message, 1)
		n, stop := s.node(t, scans, messaging.Consume("archive", scans, messaging.On(func(_ context.Context, tx *messaging.Tx, _ scan) error {
			came <- *tx.Message()
			return nil
		})))
		defer stop()
		headers := map[string]string{
			"source": "/x", "claim": reference, "claimsize": strconv.Itoa(len(ours)), "claimsha256": hex.EncodeToString(digest[:]),
		}
		given := len(headers)
		_, err = n.Accept(t.Context(), scans, []carillon.Message{{
			ID: "1", Type: "scan", Key: "a", Kind: carillon.KindDocument, Headers: headers, Payload: []byte(`{"Name":"theirs","Pages":""}`),
		}})
		must(t, err)
		elapse(time.Minute)
		if len(came) != 1 || place.fetched != 0 {
			t.Fatalf("%d messages came, %d payloads were fetched", len(came), place.fetched)
		}
		m := <-came
		if string(m.Payload) != `{"Name":"theirs","Pages":""}` {
			t.Errorf("the payload is %s", m.Payload)
		}
		if diff := cmp.Diff(map[string]string{"source": "/x", messaging.HeaderGivenID: "1"}, m.Headers); diff != "" {
			t.Error(diff)
		}
		if len(headers) != given {
			t.Errorf("the caller's headers were changed to %v", headers)
		}
	})
}

// TestSourcesApart has a broker bring messages of other software, whose ids are unique within a source: each is handled once, and what comes
// of it is another message. What stands in the inbox of messages of this program's kind stays valid.
func TestSourcesApart(t *testing.T) {
	t.Parallel()
	const uuid = "01980a3e-0000-7000-8000-000000000001"
	synctest.Test(t, func(t *testing.T) {
		s, orders, shipments := inMemory(), ordersTopic(), shipmentsTopic()
		var mu sync.Mutex
		handled, published := make(map[string]int), make(map[string]string)
		n, stop := s.node(t, shipments,
			messaging.Consume("shipping", orders, messaging.On(func(_ context.Context, tx *messaging.Tx, p placed) error {
				mu.Lock()
				defer mu.Unlock()
				handled[tx.Message().Headers["source"]+" "+tx.Message().ID]++
				return tx.Publish(shipments, shipped{p.Order, p.Number})
			})),
			messaging.Consume("notifying", shipments, messaging.On(func(_ context.Context, tx *messaging.Tx, s shipped) error {
				mu.Lock()
				defer mu.Unlock()
				published[s.Order] = tx.Message().ID
				return nil
			})))
		defer stop()
		must(t, n.store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "shipping"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			_, err := tx.(carillon.InboxTx).Receive([]carillon.Receipt{{ID: "handled"}, {ID: uuid}})
			return err
		}))
		broker, err := s.broker.OpenBroker(t.Context())
		must(t, err)
		for i, m := range []struct{ source, id string }{
			{"/a", "1"}, {"/b", "1"}, {"", "1"}, {"/a", "1"}, {"/b", "2"}, {"", "1"}, // the fourth and the last come again
			{"", "handled"}, {"/a", uuid}, // and these
			{"/a", "handled"},
		} {
			message := carillon.Message{
				ID: m.id, Type: "order.placed", Key: fmt.Sprint("order ", i), ContentType: carillon.ContentTypeJSON,
				Payload: fmt.Appendf(nil, `{"Order":"order %d","Number":%d}`, i, i),
			}
			if m.source != "" {
				message.Headers = map[string]string{"source": m.source}
			}
			must(t, broker.Publish(t.Context(), "orders", []carillon.Message{message}))
		}
		elapse(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff(map[string]int{"/a 1": 1, "/b 1": 1, " 1": 1, "/b 2": 1, "/a handled": 1}, handled); diff != "" {
			t.Error(diff)
		}
		distinct := make(map[string]bool)
		for _, id := range published {
			distinct[id] = true
		}
		if len(published) != 5 || len(distinct) != 5 {
			t.Errorf("what came of them: %v, want five messages", published)
		}
	})
}
