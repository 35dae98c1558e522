package sqlite

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

var updateGolden = flag.Bool("update", false, "write the golden store of the present schema version anew")

// goldenStore is a store as version 1 of the schema wrote it. It stays as it is: stores like it are out there.
const goldenStore = "testdata/v1.sqlite"

func goldenEvents() []carillon.Message {
	at := time.Date(2026, 11, 21, 20, 15, 0, 123456000, time.UTC)
	return []carillon.Message{
		{
			ID: "0196d5a4-8a5e-7c3b-9f00-0123456789ab", Type: "order.placed", SchemaVersion: 1, Time: at,
			ContentType: carillon.ContentTypeJSON, Payload: []byte(`{"id":"1"}`),
		},
		{
			ID: "not-a-uuid", Type: "order.noted", SchemaVersion: 3, Key: "k", Tags: []carillon.Tag{"order:1", "customer:Zoë"}, Time: at,
			CorrelationID: "c", CausationID: "d", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b",
			Tenant: "t", ContentType: "text/plain", Headers: map[string]string{"a": "1", "b": ""}, Payload: []byte{0, 1, 2},
		},
	}
}

func writeGolden(t *testing.T, path string) {
	t.Helper()
	store, err := File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	guard := &carillon.CommandGuard{ID: "command-1", Digest: [16]byte{1, 2, 3}}
	_, err = store.Log().Append(t.Context(), []carillon.Append{
		{Stream: "order-1", Expect: carillon.NoStream(), Command: guard, Events: goldenEvents()[:1]},
		{Events: goldenEvents()[1:]},
	})
	row := carillon.Row{Key: "1", Value: []byte(`{"n":1}`), Version: 1}
	err = errors.Join(err,
		store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "orders"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			return errors.Join(tx.Put([]carillon.Row{row}), tx.Advance(2))
		}),
		store.Snapshots().SaveSnapshot(t.Context(), carillon.Snapshot{Key: "order-1", At: 1, Fingerprint: "f", State: []byte("s")}),
		store.Close())
	if err != nil {
		t.Fatal(err)
	}
}

// Stores that earlier versions wrote are read as they were meant.
func TestGoldenStore(t *testing.T) {
	t.Parallel()
	if *updateGolden {
		_ = os.Remove(goldenStore) // there may be none
		writeGolden(t, goldenStore)
		_ = os.Remove(goldenStore + ".lock")
	}
	bytes, err := os.ReadFile(goldenStore)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "golden.db")
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	store := openFile(t, File(path))
	page, err := store.Log().Read(t.Context(), carillon.AllEvents(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []carillon.Recorded{
		{Message: goldenEvents()[0], Position: 1, Stream: "order-1", Version: 1},
		{Message: goldenEvents()[1], Position: 2},
	}
	if diff := cmp.Diff(want, page.Events); diff != "" {
		t.Error(diff)
	}
	if tagged, err := store.Log().Read(t.Context(), carillon.ByTags("customer:Zoë"), 0, 10); err != nil || len(tagged.Events) != 1 {
		t.Errorf("by tag: got %v, %v", tagged.Events, err)
	}
	record, err := store.Log().Command(t.Context(), "command-1")
	if err != nil || record.Guard.Digest != [16]byte{1, 2, 3} || record.Appended != (carillon.Appended{First: 1, Last: 1, Version: 1}) {
		t.Errorf("command: got %+v, %v", record, err)
	}
	row, checkpoint, err := store.ReadModels().Row(t.Context(), carillon.ModelRef{Name: "orders"}, "1")
	if err != nil || checkpoint != 2 || string(row.Value) != `{"n":1}` || row.Version != 1 {
		t.Errorf("row: got %+v at %d, %v", row, checkpoint, err)
	}
	snapshot, err := store.Snapshots().LoadSnapshot(t.Context(), "order-1")
	if err != nil || snapshot.At != 1 || snapshot.Fingerprint != "f" || string(snapshot.State) != "s" {
		t.Errorf("snapshot: got %+v, %v", snapshot, err)
	}
	if err := appendOne(t.Context(), store.Log(), "order-1", "next"); err != nil {
		t.Errorf("append: %v", err)
	}
}
