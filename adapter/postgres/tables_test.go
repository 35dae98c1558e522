package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/projection"
)

// Tables that several segments write are rebuilt whole, and what was parked for any of them is met again.
func TestRebuildOfSegmentedTables(t *testing.T) {
	t.Parallel()
	const segments, keys, events = 3, 10, 200
	url := backends.Variable(t, backends.Postgres)
	schema := backends.Schema(t, url)
	store, err := URL(url, Schema(schema), Configure(few)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	log := eventlog.New(store.Log())
	tables := projection.SQL("noted", fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s.noted (position bigint)", schema),
		projection.Empty(fmt.Sprintf("DELETE FROM %s.noted", schema)),
		projection.Write("noted", func(ctx context.Context, tx carillon.SQLExecutor, at carillon.Recorded, _ int) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s.noted VALUES ($1)", schema), int64(at.Position))
			return err
		}))
	engine := projection.NewEngine(log, store)
	if err := engine.Add(projection.Segmented(segments, tables)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx) // ends with its context
	}()
	defer func() {
		stop()
		<-ended
	}()
	var last carillon.Position
	for n := range events {
		note := carillon.Message{Type: "noted", Key: fmt.Sprint("key ", n%keys), Payload: fmt.Append(nil, n)}
		appended, err := log.Append(t.Context(), carillon.Append{Events: []carillon.Message{note}})
		if err != nil {
			t.Fatal(err)
		}
		last = appended.Last
	}
	if err := engine.Wait(t.Context(), "noted", last); err != nil {
		t.Fatal(err)
	}
	for segment := range segments { // letters that nobody knows the reason of
		ref := carillon.ModelRef{Name: "noted", Segment: segment}
		err := store.ReadModels().Update(t.Context(), ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			letter := carillon.DeadLetter{Consumer: "noted", Key: fmt.Sprintf("%d/nobody", segment), Position: last, Attempts: 100}
			return tx.(carillon.ParkingTx).Park([]carillon.DeadLetter{letter})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Rebuild(t.Context(), "noted"); err != nil {
		t.Fatal(err)
	}
	count := func() (rows, positions, letters int) {
		err := store.(*Store).pool.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(*), count(DISTINCT position),
			(SELECT count(*) FROM %[1]s.deadletters) FROM %[1]s.noted`, schema)).Scan(&rows, &positions, &letters)
		if err != nil {
			t.Fatal(err)
		}
		return rows, positions, letters
	}
	deadline, look := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer look.Stop()
	for {
		rows, positions, letters := count()
		if rows == events && positions == events && letters == 0 {
			return
		}
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("%d rows of %d events and %d letters after the rebuild, want %d of each event and none", rows, positions, letters, events)
		}
	}
}
