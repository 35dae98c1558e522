package messaging_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
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
