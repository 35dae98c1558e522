package sqlite

import (
	"fmt"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// typeNames maps the names of event types to the small numbers rows carry. Names are only ever added.
type typeNames struct {
	mu     sync.RWMutex
	byID   map[int64]string
	byName map[string]int64
}

func newTypeNames() *typeNames {
	return &typeNames{byID: make(map[int64]string), byName: make(map[string]int64)}
}

func (n *typeNames) remember(id int64, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byID[id], n.byName[name] = name, id
}

// forget drops a name whose row was rolled back.
func (n *typeNames) forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byID, n.byName[name])
	delete(n.byName, name)
}

// name returns the name behind a number, looking it up through conn when it is new.
func (n *typeNames) name(conn *connection, id int64) (string, error) {
	n.mu.RLock()
	name, ok := n.byID[id]
	n.mu.RUnlock()
	if ok {
		return name, nil
	}
	err := conn.query("SELECT name FROM carillon_types WHERE id = ?", func(stmt *sqlite3.Stmt) error {
		return stmt.BindInt64(1, id)
	}, func(stmt *sqlite3.Stmt) error {
		name, ok = stmt.ColumnText(0), true
		return nil
	})
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("event type number %d has no name: %w", id, carillon.ErrCorrupt)
	}
	n.remember(id, name)
	return name, nil
}

// id returns the number of a name, 0 when no event has had that type.
func (n *typeNames) id(conn *connection, name string) (int64, error) {
	n.mu.RLock()
	id, ok := n.byName[name]
	n.mu.RUnlock()
	if ok {
		return id, nil
	}
	err := conn.query("SELECT id FROM carillon_types WHERE name = ?", func(stmt *sqlite3.Stmt) error {
		return stmt.BindText(1, name)
	}, func(stmt *sqlite3.Stmt) error {
		id = stmt.ColumnInt64(0)
		return nil
	})
	if err != nil || id == 0 {
		return 0, err
	}
	n.remember(id, name)
	return id, nil
}
