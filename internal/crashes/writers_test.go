//go:build unix

package crashes_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/processes"
)

const (
	writerProcesses = 4
	writersEach     = 16
	appendEvents    = 10
	// sharedStreams are streams that all processes write to.
	sharedStreams = 8
)

// writeAll appends the job's events with its writers side by side.
func writeAll(ctx context.Context, j job) error {
	store, err := j.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	log := eventlog.New(store.Log())
	failures := make([]error, j.Writers)
	var writing sync.WaitGroup
	for w := range j.Writers {
		writing.Go(func() {
			own := fmt.Sprintf("%s.%d", j.Name, w)
			for n := range int64(j.Events / j.Writers / appendEvents) {
				account := own
				if n%2 == 1 {
					account = fmt.Sprintf("shared.%d", rand.N(sharedStreams))
				}
				if _, failures[w] = log.Append(ctx, deposit(account, n, appendEvents)); failures[w] != nil {
					return
				}
			}
		})
	}
	writing.Wait()
	return errors.Join(failures...)
}

// tailAll follows the log until the job's events have come, and fails when one comes out of turn.
func tailAll(ctx context.Context, j job) error {
	store, err := j.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	log := eventlog.New(store.Log(), eventlog.PollEvery(time.Duration(2+rand.N(20))*time.Millisecond))
	processes.Say("running")
	last, versions := carillon.Position(0), make(map[string]int64)
	for batch, err := range log.Follow(ctx, 0) {
		if err != nil {
			return err
		}
		for i := range batch.Entries {
			entry := &batch.Entries[i]
			versions[entry.Stream]++
			switch {
			case entry.Position != last+1:
				return fmt.Errorf("out of turn: position %d follows %d", entry.Position, last)
			case entry.Stream != "" && entry.Version != versions[entry.Stream]:
				return fmt.Errorf("out of turn: version %d of %s is the event %d of it", entry.Version, entry.Stream, versions[entry.Stream])
			}
			last++
		}
		if batch.Through != last {
			return fmt.Errorf("out of turn: searched through %d, the last event is %d", batch.Through, last)
		}
		if int(last) == j.Events {
			return nil
		}
	}
	return ctx.Err()
}

// delayed makes a share of the commits of appends take up to a time, at random: the server itself waits as it commits.
func delayed(table, event string, share float64, limit time.Duration) string {
	return fmt.Sprintf(`
		CREATE FUNCTION {{schema}}.delay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF random() < %g THEN PERFORM pg_sleep(random() * %g); END IF;
			RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER delay AFTER %s ON {{schema}}.%s DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION {{schema}}.delay();`, share, limit.Seconds(), event, table)
}

// elsewhere keeps transactions with ids of their own open in the same database, each for a while, one of them at any time, and counts them.
func elsewhere(ctx context.Context, url string, held *atomic.Int64) error {
	var holding sync.WaitGroup
	failures := make([]error, 3)
	for i := range failures {
		holding.Go(func() {
			var conn *pgx.Conn
			if conn, failures[i] = pgx.Connect(ctx, url); failures[i] != nil {
				return
			}
			defer conn.Close(context.WithoutCancel(ctx))
			for ctx.Err() == nil && failures[i] == nil {
				failures[i] = pgx.BeginFunc(context.WithoutCancel(ctx), conn, func(tx pgx.Tx) error {
					held.Add(1)
					_, err := tx.Exec(context.WithoutCancel(ctx), "SELECT pg_current_xact_id()")
					processes.Rest(ctx, time.Duration(i)*2*time.Second+rand.N(4*time.Second))
					return err
				})
			}
		})
	}
	holding.Wait()
	return errors.Join(failures...)
}

func TestManyWriters(t *testing.T) {
	t.Parallel()
	testManyWriters(t, 200_000)
}

func TestManyWritersNightly(t *testing.T) {
	processes.Nightly(t)
	testManyWriters(t, 10_000_000)
}

// 64 writers in four processes append while a hundredth of the commits takes up to three seconds: readers in processes of their own see
// every position in its turn and without holes, and every stream's versions, also while transactions elsewhere stay open.
func testManyWriters(t *testing.T, events int) {
	j := place(t)
	store := j.store(t)
	j.execute(t, delayed("log", "UPDATE", 0.01, 3*time.Second))
	share := writerProcesses * writersEach * appendEvents
	j.Writers, j.Events = writersEach, (events+share-1)/share*share

	ctx, stop := context.WithCancel(t.Context())
	var held atomic.Int64
	holding := make(chan error, 1)
	go func() { holding <- elsewhere(ctx, j.URL, &held) }()
	begin := time.Now()
	var readers, writers []*processes.Process
	for range 2 {
		reader := j
		reader.Task = "tail"
		readers = append(readers, start(t, reader))
	}
	for i := range writerProcesses {
		writer := j
		writer.Task, writer.Name, writer.Events = "write", fmt.Sprintf("w%d", i), j.Events/writerProcesses
		writers = append(writers, start(t, writer))
	}
	for _, p := range writers {
		if p.Wait() != nil {
			t.Fatal(p.Wait())
		}
	}
	written := time.Since(begin)
	for _, p := range readers {
		select {
		case <-p.Ended():
			if p.Wait() != nil {
				t.Fatal("a reader failed:", p.Wait())
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a reader is not done ten seconds after the last append")
		}
	}
	behind := time.Since(begin) - written
	stop()
	if err := <-holding; err != nil {
		t.Fatal(err)
	}
	head, err := store.Log().Head(t.Context())
	if err != nil || int(head) != j.Events {
		t.Fatalf("the head is %d, not %d: %v", head, j.Events, err)
	}
	t.Logf("%d events in %v, readers done %v later, %d transactions held open elsewhere", head, written, behind, held.Load())
}

// bareSequence replaces the append function by what is often written: positions come from a sequence, and no lock is taken.
const bareSequence = `
	DROP TABLE {{schema}}.log;
	CREATE VIEW {{schema}}.log AS SELECT true AS single, coalesce(max(position), 0) AS head, 0::bigint AS givenup FROM {{schema}}.events;
	CREATE SEQUENCE {{schema}}.positions;
	CREATE OR REPLACE FUNCTION {{schema}}.append(
		session uuid, number bigint, given_up bigint[],
		streams text[], s_expect bigint[], e_version bigint[], a_stream integer[], a_expect bigint[],
		c_id text[], a_command integer[], a_digest bytea[],
		a_after bigint[], a_everything boolean[], b_append integer[], b_event integer[],
		m_append integer[], m_tag text[], m_type integer[], m_rest_from integer[], m_rest_to integer[], rest text[],
		m_types_from integer[], m_types_to integer[], types integer[],
		e_append integer[], e_stream text[], e_type integer[], e_id bytea[], e_time bigint[], e_metadata bytea[], e_payload bytea[],
		t_event integer[], t_tag text[]
	) RETURNS TABLE (verdict integer, first bigint, last bigint, version bigint)
	LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO {{schema}}.events (position, time, type, id, metadata, payload)
			SELECT nextval('{{schema}}.positions'), n.time, n.type, n.id, n.metadata, n.payload
			FROM unnest(e_time, e_type, e_id, e_metadata, e_payload) n (time, type, id, metadata, payload);
		RETURN QUERY SELECT 0, 1::bigint, 1::bigint, 0::bigint FROM unnest(a_stream);
	END $$;`

// The same readers over positions from a bare sequence: they see holes, or events that come after later ones.
func TestManyWritersWithoutLock(t *testing.T) {
	t.Parallel()
	j := place(t)
	j.store(t)
	j.execute(t, bareSequence+delayed("events", "INSERT", 0.001, 200*time.Millisecond))
	j.Writers, j.Events = writersEach, 200_000
	reader := j
	reader.Task = "tail"
	tail := start(t, reader)
	tail.Hear(t, "running")
	for i := range writerProcesses {
		writer := j
		writer.Task, writer.Name = "write", fmt.Sprintf("w%d", i)
		start(t, writer)
	}
	select {
	case <-tail.Ended():
	case <-time.After(processes.Patience):
		t.Fatal("the reader saw nothing wrong: the test would not see the fault it is for")
	}
	if said := tail.Said(); tail.Wait() == nil || !strings.Contains(said, "out of turn: position") {
		t.Fatalf("the reader ended with %v, and said %q: the test would not see the fault it is for", tail.Wait(), said)
	}
}
