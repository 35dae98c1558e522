package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// powerRun is a store on a disk whose power fails again and again, and what was left each time.
type powerRun struct {
	loss           Loss
	seed           uint64
	writers, each  int // goroutines that append, and how many events each
	autocheckpoint int // pages of write-ahead log after which it is folded into the file
	between        int // operations between two cuts; a checkpoint is cut eight times as often

	store *Store
	log   *eventlog.Log

	mu      sync.Mutex
	acked   []carillon.Recorded
	updated int // the last update of the read model that began
	flushed int // the last one that was flushed and answered
	cuts    []powerCut
}

// powerCut is what the disk held at a cut, and what had been promised by then.
type powerCut struct {
	image            diskImage
	acked            []carillon.Recorded
	updated, flushed int
	keepsAll         bool
}

const powerFileName = "power.db"

// TestPowerLoss takes the power away in the middle of writes, flushes and checkpoints. What is left of the writes that were not
// flushed is any part of them, in sectors, some torn. Whatever was acknowledged is there when the file is opened again.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const runs = 25
	var mu sync.Mutex
	acknowledged, cuts, checkpointing, lostUpdates := 0, 0, 0, 0
	t.Run("runs", func(t *testing.T) {
		for i := range runs {
			seed := rand.Uint64()
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				run := &powerRun{seed: seed, writers: 32, each: 125, autocheckpoint: []int{20, 100, 400}[i%3], between: 2000}
				run.run(t)
				random := rand.New(rand.NewPCG(seed, 1))
				for n, cut := range run.cuts {
					survive := pickSurvivors(random)
					left, err := cut.open(t.Context(), t.TempDir(), random, survive)
					if err != nil || left.lost > 0 {
						t.Errorf("seed %d, cut %d, %s of the writes survived: %d of %d acknowledged appends lost, %v",
							seed, n, survive.name, left.lost, len(cut.acked), err)
					}
					mu.Lock()
					cuts++
					lostUpdates += cut.updated - left.updates
					if cut.image.checkpointing {
						checkpointing++
					}
					mu.Unlock()
				}
				mu.Lock()
				defer mu.Unlock()
				acknowledged += len(run.acked)
			})
		}
	})
	t.Logf("%d acknowledged, %d cuts, %d of them during a checkpoint, %d updates of the read model undone",
		acknowledged, cuts, checkpointing, lostUpdates)
	if acknowledged < 100_000 || cuts < 4*runs || checkpointing < runs || lostUpdates == 0 {
		t.Error("the test has not tried what it is for")
	}
}

// TestPowerLossTakesWhatWasGivenUp sees the same cuts take acknowledged appends when they are not flushed: the last ones, or the
// whole file.
func TestPowerLossTakesWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]Loss{"last-commits": LastCommits, "whole-file": WholeFile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			run := &powerRun{loss: loss, seed: seed, writers: 32, each: 60, autocheckpoint: 100, between: 200}
			run.run(t)
			random := rand.New(rand.NewPCG(seed, 1))
			lost := 0
			for n, cut := range run.cuts {
				left, err := cut.open(t.Context(), t.TempDir(), random, pickSurvivors(random))
				lost += left.lost
				if err != nil && loss == LastCommits {
					t.Errorf("seed %d, cut %d: %v", seed, n, err)
				}
			}
			t.Logf("%d cuts lost %d acknowledged appends", len(run.cuts), lost)
			if lost == 0 {
				t.Errorf("seed %d: %d cuts took nothing that was not flushed", seed, len(run.cuts))
			}
		})
	}
}

// run appends and updates a read model, with cuts at any moment and one in the end.
func (r *powerRun) run(t *testing.T) {
	t.Helper()
	name, disk := newPowerFiles(t, r.seed)
	source := File(filepath.Join(t.TempDir(), powerFileName), WithPossibleLoss(r.loss))
	source.vfs = name
	r.store = openFile(t, source).(*Store)
	r.log = eventlog.New(r.store.Log())
	if err := writerExec(r.store, fmt.Sprintf("PRAGMA wal_autocheckpoint=%d", r.autocheckpoint)); err != nil {
		t.Fatal(err)
	}
	disk.cutBetween(r.between, r.between/8, func(image diskImage) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cuts = append(r.cuts, powerCut{image, r.acked[:len(r.acked):len(r.acked)], r.updated, r.flushed, r.loss == NoLoss})
	})
	var writers sync.WaitGroup
	for writer := range r.writers {
		writers.Go(func() {
			if err := r.write(t.Context(), writer); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	disk.cutNow()
	disk.cutBetween(0, 0, nil)
}

// write appends to a stream of its own, every tenth event under a command id. The first writer updates the read model, too.
func (r *powerRun) write(ctx context.Context, writer int) error {
	stream := fmt.Sprint("s-", writer)
	for i := range r.each {
		e := event(fmt.Sprint(stream, "-", i))
		e.Tags = []carillon.Tag{carillon.NewTag("stream", stream), carillon.NewTag("n", fmt.Sprint(i%50))}
		a := carillon.Append{Stream: stream, Expect: carillon.Exactly(int64(i)), Events: []carillon.Message{e}}
		if i%10 == 0 {
			a.Command = &carillon.CommandGuard{ID: e.ID}
		}
		appended, err := r.log.Append(ctx, a)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.acked = append(r.acked, carillon.Recorded{Message: e, Position: appended.First, Stream: stream, Version: appended.Version})
		r.mu.Unlock()
		for n := 3 * i; writer == 0 && n < 3*i+3; n++ {
			if err := r.update(ctx, n+1); err != nil {
				return err
			}
		}
	}
	return nil
}

var powerModel = carillon.ModelRef{Name: "updates"}

// update is the n-th update of the read model: one of seven rows is n, and the checkpoint is the head of the log. Every
// sixteenth is flushed.
func (r *powerRun) update(ctx context.Context, n int) error {
	head, err := r.log.Head(ctx)
	if err != nil {
		return err
	}
	durability := carillon.Refoldable
	if n%16 == 0 {
		durability = carillon.Flushed
	}
	r.mu.Lock()
	r.updated = n
	r.mu.Unlock()
	err = r.store.ReadModels().Update(ctx, powerModel, durability, func(tx carillon.ReadModelTx) error {
		number := []byte(strconv.Itoa(n))
		return errors.Join(tx.Advance(head), tx.Put([]carillon.Row{
			{Key: fmt.Sprint(n % 7), Value: number}, {Key: "head", Value: []byte(fmt.Sprint(head))}, {Key: "number", Value: number},
		}))
	})
	if err == nil && durability == carillon.Flushed {
		r.mu.Lock()
		r.flushed = n
		r.mu.Unlock()
	}
	if err == nil && n%40 == 0 {
		err = writerExec(r.store, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return err
}

// writerExec runs a statement on the connection that writes.
func writerExec(store *Store, text string) error {
	w := store.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn.Exec(text)
}

// powerLeft is what was found after a cut.
type powerLeft struct {
	lost    int // acknowledged appends
	updates int // of the read model
}

// open opens what a cut left, in an empty directory, and holds it against what had been promised.
func (c powerCut) open(ctx context.Context, directory string, random *rand.Rand, survive survivors) (powerLeft, error) {
	left := powerLeft{lost: len(c.acked)}
	if err := c.image.leave(directory, random, survive); err != nil {
		return left, err
	}
	opened, err := File(filepath.Join(directory, powerFileName)).Open(ctx)
	if err != nil {
		return left, err
	}
	store := opened.(*Store)
	left.lost, err = c.compareLog(ctx, store)
	if err == nil {
		err = integrity(store)
	}
	if err == nil {
		left.updates, err = c.compareModel(ctx, store)
	}
	return left, errors.Join(err, store.Close())
}

// compareLog counts the acknowledged appends that are not there. The error is that of a log with holes or repetitions.
func (c powerCut) compareLog(ctx context.Context, store *Store) (lost int, err error) {
	log := store.Log()
	var events []carillon.Recorded
	ids, versions := make(map[string]bool), make(map[string]int64)
	for page := (carillon.Page{More: true}); page.More; {
		if page, err = log.Read(ctx, carillon.AllEvents(), page.Through, 1000); err != nil {
			return len(c.acked), err
		}
		events = append(events, page.Events...)
	}
	for i, e := range events {
		versions[e.Stream]++
		if int(e.Position) != i+1 || e.Version != versions[e.Stream] || ids[e.ID] {
			err = fmt.Errorf("event %q at position %d, version %d: want position %d, version %d, and each event once",
				e.ID, e.Position, e.Version, i+1, versions[e.Stream])
		}
		ids[e.ID] = true
	}
	for i, want := range c.acked {
		if int(want.Position) > len(events) || events[want.Position-1].ID != want.ID || events[want.Position-1].Version != want.Version {
			lost++
			continue
		}
		if want.Version%10 == 1 && i%4 == 0 {
			if record, missing := log.Command(ctx, want.ID); missing != nil || record.Appended.First != want.Position {
				err = fmt.Errorf("command %q: %+v, %w", want.ID, record, missing)
			}
		}
	}
	return lost, err
}

func integrity(store *Store) error {
	found := ""
	err := store.writer.conn.query("PRAGMA integrity_check", nil, func(stmt *sqlite3.Stmt) error {
		found = stmt.ColumnText(0)
		return nil
	})
	if err == nil && found != "ok" {
		err = errors.New(found)
	}
	return err
}

// compareModel wants rows and checkpoint of one update, not before the last one that was flushed, and not ahead of the log. It
// returns that update's number.
func (c powerCut) compareModel(ctx context.Context, store *Store) (int, error) {
	head, err := store.Log().Head(ctx)
	if err != nil {
		return 0, err
	}
	number := 0
	row, checkpoint, err := store.ReadModels().Row(ctx, powerModel, "number")
	switch {
	case err == nil:
		number, err = strconv.Atoi(string(row.Value))
	case errors.Is(err, carillon.ErrNotFound):
		err = nil
	}
	if err != nil {
		return 0, err
	}
	rows, err := store.ReadModels().Rows(ctx, powerModel, "", 100)
	if err != nil {
		return 0, err
	}
	want := make(map[string]string)
	if number > 0 {
		want["number"], want["head"] = strconv.Itoa(number), fmt.Sprint(checkpoint)
	}
	for n := max(1, number-6); n <= number; n++ {
		want[fmt.Sprint(n%7)] = strconv.Itoa(n)
	}
	for _, row := range rows {
		if want[row.Key] != string(row.Value) {
			return number, fmt.Errorf("read model at update %d, checkpoint %d: row %q is %q, want %q", number, checkpoint, row.Key, row.Value, want[row.Key])
		}
	}
	switch {
	case len(rows) != len(want):
		return number, fmt.Errorf("read model at update %d: %d rows, want %d", number, len(rows), len(want))
	case number < c.flushed && c.keepsAll || number > c.updated:
		return number, fmt.Errorf("read model at update %d: %d was flushed, %d had begun", number, c.flushed, c.updated)
	case checkpoint > head:
		return number, fmt.Errorf("read model at checkpoint %d, ahead of the log at %d", checkpoint, head)
	}
	return number, nil
}
