package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
)

// typeNames maps the names of event types to the small numbers rows carry. Names are only ever added.
type typeNames struct {
	mu     sync.RWMutex
	byID   map[int32]string
	byName map[string]int32
}

func newTypeNames() *typeNames {
	return &typeNames{byID: make(map[int32]string), byName: make(map[string]int32)}
}

// id returns the number of a name, 0 for one that is not known.
func (n *typeNames) id(name string) int32 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.byName[name]
}

func (n *typeNames) name(id int32) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	name, ok := n.byID[id]
	return name, ok
}

func (n *typeNames) remember(id int32, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byID[id], n.byName[name] = name, id
}

// learnTypes looks up the names that are not known yet and, when they are to be written, gives numbers to those that have none.
// A type without events does no harm.
func (s *Store) learnTypes(ctx context.Context, names []string, write bool) error {
	var missing []string
	for _, name := range names {
		if s.names.id(name) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if write {
		_, err := s.pool.Exec(ctx, s.texts.fill("INSERT INTO {{schema}}.types (name) SELECT DISTINCT unnest($1::text[]) ON CONFLICT DO NOTHING"), missing)
		if err != nil {
			return err
		}
	}
	rows, err := s.pool.Query(ctx, s.texts.fill("SELECT id, name FROM {{schema}}.types WHERE name = ANY($1)"), missing)
	if err != nil {
		return err
	}
	return s.readTypes(rows)
}

// learnNumbers looks up the names behind numbers that are not known yet.
func (s *Store) learnNumbers(ctx context.Context, ids []int32) error {
	rows, err := s.pool.Query(ctx, s.texts.fill("SELECT id, name FROM {{schema}}.types WHERE id = ANY($1)"), ids)
	if err != nil {
		return err
	}
	return s.readTypes(rows)
}

func (s *Store) readTypes(rows pgx.Rows) error {
	var id int32
	var name string
	_, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		s.names.remember(id, name)
		return nil
	})
	return err
}

// typeName returns the name behind a number that was read.
func (s *Store) typeName(id int32) (string, error) {
	name, ok := s.names.name(id)
	if !ok {
		return "", fmt.Errorf("event type number %d has no name: %w", id, carillon.ErrCorrupt)
	}
	return name, nil
}
