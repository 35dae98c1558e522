//go:build unix

package handoff_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/processes"
)

// verdict is what became of the messages, at both consumers.
type verdict struct {
	// Acknowledged is how many messages the ledgers hold.
	Acknowledged int64
	// Lost is how many effects are missing of messages that the ledgers hold.
	Lost int64
	// Duplicates is how many effects are there that were there before, or that nobody asked for.
	Duplicates int64
	// Disordered is how many effects of an account came behind one of a later message.
	Disordered int64
}

// acknowledged is how far each account has come in the ledgers.
func (s *site) acknowledged(t testing.TB) map[string]int64 {
	t.Helper()
	all := make(map[string]int64)
	files, err := os.ReadDir(s.directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		last, err := processes.ReadLedger(filepath.Join(s.directory, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, last)
	}
	return all
}

// ids is how many messages are acknowledged.
func (s *site) ids(t testing.TB) (count int64) {
	t.Helper()
	for _, last := range s.acknowledged(t) {
		count += last
	}
	return count
}

// judge compares the effects with the ledgers.
func (s *site) judge(t testing.TB) verdict {
	t.Helper()
	ledgers := s.acknowledged(t)
	var v verdict
	rows, err := s.db.QueryContext(t.Context(), "SELECT stage, account, n FROM "+s.effects()+" ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	type effect struct {
		stage, account string
		n              int64
	}
	seen, highest := make(map[effect]bool), make(map[effect]int64)
	for rows.Next() {
		var e effect
		if err := rows.Scan(&e.stage, &e.account, &e.n); err != nil {
			t.Fatal(err)
		}
		account := effect{stage: e.stage, account: e.account}
		switch {
		case seen[e], e.n > ledgers[e.account]+1: // the last one may have been published by a process that died before it wrote that down
			v.Duplicates++
		case e.n < highest[account]:
			v.Disordered++
		}
		seen[e], highest[account] = true, max(highest[account], e.n)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for account, last := range ledgers {
		v.Acknowledged += last
		for n := int64(1); n <= last; n++ {
			for _, stage := range []string{billing, archive} {
				if !seen[effect{stage, account, n}] {
					v.Lost++
				}
			}
		}
	}
	return v
}

// come tells, by stage and account, what of a message's number there is among the effects, as "max(n)".
func (s *site) come(ctx context.Context, what string) (map[string]map[string]int64, error) {
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT stage, account, %s FROM %s GROUP BY stage, account", what, s.effects()))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	come := map[string]map[string]int64{billing: {}, archive: {}}
	for rows.Next() {
		var stage, account string
		var n int64
		if err := rows.Scan(&stage, &account, &n); err != nil {
			return nil, err
		}
		come[stage][account] = n
	}
	return come, rows.Err()
}

// reached reports whether the last message of every account has had its effects; whole asks for those of all the others, too.
func (s *site) reached(ctx context.Context, t testing.TB, whole bool) bool {
	t.Helper()
	what := "max(n)"
	if whole {
		what = "count(DISTINCT n)"
	}
	come, err := s.come(ctx, what)
	if err != nil {
		return false
	}
	for account, last := range s.acknowledged(t) {
		if come[billing][account] < last || come[archive][account] < last {
			return false
		}
	}
	return true
}

// drain waits until everything has had its effects and nothing is left to come again, or nothing has happened for a while: then the verdict
// tells what is missing.
func (s *site) drain(t testing.TB) {
	t.Helper()
	begin, count := time.Now(), int64(-1)
	for moved := begin; time.Since(moved) < processes.Patience; processes.Rest(t.Context(), 250*time.Millisecond) {
		var now int64
		if err := s.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+s.effects()).Scan(&now); err == nil && now != count {
			moved, count = time.Now(), now
			if now < 2*s.ids(t) {
				continue
			}
		}
		if !s.reached(t.Context(), t, true) {
			continue
		}
		if settled, err := s.settled(t.Context()); err == nil && settled {
			t.Logf("everything was settled after %v", time.Since(begin).Round(time.Millisecond))
			return
		}
	}
	t.Errorf("not everything was settled, and nothing has happened for %v: %s", processes.Patience, s.left(t))
}

// left tells where messages have stayed: whose effects are missing, what waits in which subscription, and who holds which lease.
func (s *site) left(t testing.TB) string {
	t.Helper()
	come, err := s.come(t.Context(), "count(DISTINCT n)")
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	all := s.acknowledged(t)
	for _, account := range slices.Sorted(maps.Keys(all)) {
		if n, last := min(come[billing][account], come[archive][account]), all[account]; n < last {
			fmt.Fprintf(&text, "\n%s has %d of %d with both effects", account, n, last)
		}
	}
	for broker, subscriptions := range s.subscriptions() {
		for _, each := range subscriptions {
			backlog, err := broker.(carillon.Prober).Probe(t.Context(), each.topic, each.name)
			fmt.Fprintf(&text, "\n%s of %s: %+v %v", each.name, each.topic, backlog, err)
		}
	}
	if store, ok := s.store.(carillon.LeaseStore); ok {
		leases, err := store.Leases().List(t.Context(), "")
		fmt.Fprintf(&text, "\nleases: %+v %v", leases, err)
	}
	return text.String()
}

// faultless ends a test that anything was lost in, happened twice, or came out of turn.
func (s *site) faultless(t testing.TB) verdict {
	t.Helper()
	s.drain(t)
	v := s.judge(t)
	if want := (verdict{Acknowledged: v.Acknowledged}); v != want || v.Acknowledged == 0 {
		t.Errorf("%+v, want nothing lost, nothing twice, nothing out of turn", v)
	}
	if letters := s.letters(t); letters > 0 {
		t.Errorf("%d messages were parked, want none: no handler has failed", letters)
	}
	return v
}

// finish has one process of a file site consume what is left, and opens the file for the test.
func (s *site) finish(t testing.TB, j job) {
	t.Helper()
	s.end(t)
	for moved := time.Now(); time.Since(moved) < processes.Patience; {
		p := processes.Start(t, jobVariable, j)
		p.Hear(t, "running")
		processes.Rest(t.Context(), time.Second)
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		s.open(t)
		if s.reached(t.Context(), t, true) {
			return
		}
		s.close(t)
	}
	t.Error("the process did not finish")
}
