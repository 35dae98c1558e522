package sqlite

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

var updateGolden = flag.Bool("update", false, "write the golden store of the present schema version anew")

// The golden stores are as each version of the schema wrote them. Those of earlier versions stay as they are: stores like them are
// out there.
const (
	golden1      = "testdata/v1.sqlite" // the log, read models and snapshots
	golden2      = "testdata/v2.sqlite" // and dead letters
	golden3      = "testdata/v3.sqlite" // and topics and the inbox
	golden4      = "testdata/v4.sqlite" // and the dead letters of shadows
	newestGolden = golden4
)

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
	parkGolden := func(tx carillon.ReadModelTx) error {
		return errors.Join(tx.(carillon.ParkingTx).Park(goldenLetters()), tx.Advance(2))
	}
	err = errors.Join(err,
		store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "orders"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			return errors.Join(tx.Put([]carillon.Row{row}), tx.Advance(2))
		}),
		store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "mails"}, carillon.Flushed, parkGolden),
		store.(*Store).DeadLetters().Retry(t.Context(), "mails", "1"),
		store.Snapshots().SaveSnapshot(t.Context(), carillon.Snapshot{Key: "order-1", At: 1, Fingerprint: "f", State: []byte("s")}),
		writeGoldenTopics(t.Context(), store.(*Store)),
		writeGoldenShadow(t.Context(), store),
		store.Close())
	if err != nil {
		t.Fatal(err)
	}
}

// goldenCopy is a copy of a golden store that the test may change.
func goldenCopy(t *testing.T, golden string) string {
	t.Helper()
	content, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "golden.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Stores that earlier versions wrote are read as they were meant.
func TestGoldenStores(t *testing.T) {
	if *updateGolden { // before any parallel test reads it
		_ = os.Remove(newestGolden) // there may be none
		writeGolden(t, newestGolden)
		_ = os.Remove(newestGolden + ".lock")
	}
	t.Parallel()
	for golden, letters := range map[string][]carillon.DeadLetter{
		golden1: nil, golden2: goldenLetters(), golden3: goldenLetters(), golden4: goldenLetters(),
	} {
		t.Run(filepath.Base(golden), func(t *testing.T) {
			t.Parallel()
			path := goldenCopy(t, golden)
			readGolden(t, path)
			readGoldenLetters(t, File(path), letters)
			readGoldenLetters(t, ReadOnly(path), letters)
			readGoldenShadow(t, path, golden >= golden4)
			readGoldenTopics(t, path, golden >= golden3)
		})
	}
}

func readGolden(t *testing.T, path string) {
	t.Helper()
	store, err := File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
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
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

func goldenLetters() []carillon.DeadLetter {
	at := time.Date(2026, 11, 21, 20, 15, 0, 123456000, time.UTC)
	return []carillon.DeadLetter{
		{Consumer: "mails", Key: "1", Position: 1, Attempts: 5, Cause: "no route", Stack: "somewhere", First: at, Last: at.Add(time.Hour)},
		{Consumer: "mails", Key: "1", Position: 2},
	}
}

// readGoldenLetters opens a store and demands these letters of it, none in a store from before there were any.
func readGoldenLetters(t *testing.T, source *Source, want []carillon.DeadLetter) {
	t.Helper()
	store, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	letters := store.(*Store).DeadLetters()
	got, err := letters.Letters(t.Context(), "mails", "1", 0, 10)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	var wantKeys []carillon.ParkedKey
	if len(want) > 0 {
		wantKeys = []carillon.ParkedKey{{Key: "1", Letters: int64(len(want)), First: want[0].Position, Retry: true}}
	}
	keys, err := letters.Keys(t.Context(), "mails")
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(wantKeys, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// goldenShadowLetter is parked by a rebuild of "orders" that is under way.
func goldenShadowLetter() carillon.DeadLetter {
	letter := goldenLetters()[0]
	letter.Consumer, letter.Cause = "orders", "no fold"
	return letter
}

func writeGoldenShadow(ctx context.Context, store carillon.Store) error {
	shadow := carillon.ModelRef{Name: "orders", Shadow: true}
	return store.ReadModels().Update(ctx, shadow, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		return errors.Join(tx.(carillon.ParkingTx).Park([]carillon.DeadLetter{goldenShadowLetter()}), tx.Advance(2))
	})
}

// readGoldenShadow switches to the shadow that [writeGoldenShadow] wrote or, in a store from before shadows had letters, writes now.
func readGoldenShadow(t *testing.T, path string, there bool) {
	t.Helper()
	opened, err := File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store := opened.(*Store)
	if !there {
		if err := writeGoldenShadow(t.Context(), store); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]carillon.DeadLetter{nil, {goldenShadowLetter()}} {
		letters, err := store.DeadLetters().Letters(t.Context(), "orders", "1", 0, 10)
		if diff := cmp.Diff(want, letters); err != nil || diff != "" {
			t.Errorf("letters of a model with a shadow, error %v (-want +got):\n%s", err, diff)
		}
		if want == nil {
			if err := store.ReadModels().Switch(t.Context(), "orders"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// A store of an earlier version is not brought up to date by opening it for reading, and stays as it is.
func TestAnOldStoreIsNotMigratedForReading(t *testing.T) {
	t.Parallel()
	path := goldenCopy(t, golden1)
	_, err := ReadOnly(path).Open(t.Context())
	if !errors.Is(err, carillon.ErrUnsupported) || !strings.Contains(err.Error(), "open it once for writing") {
		t.Errorf("open for reading: %v, want %v and what to do", err, carillon.ErrUnsupported)
	}
	before, err := os.ReadFile(golden1)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (error %v)", err)
	}
}

// A store that is open for reading takes no orders about dead letters.
func TestDeadLettersOfAReadOnlyStore(t *testing.T) {
	t.Parallel()
	path := goldenCopy(t, newestGolden)
	letters := openFile(t, ReadOnly(path)).(*Store).DeadLetters()
	if err := letters.Retry(t.Context(), "mails", "1"); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("Retry: %v, want %v", err, carillon.ErrUnsupported)
	}
	if err := letters.Discard(t.Context(), "mails", "1", 1); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("Discard: %v, want %v", err, carillon.ErrUnsupported)
	}
}
