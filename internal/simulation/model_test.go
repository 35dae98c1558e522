package simulation

import (
	"errors"
	"fmt"
	"maps"

	"github.com/carillon-go/carillon"
)

// model is a read model in the database.
type model struct {
	generation int64
	rows       map[string]carillon.Row
	segments   map[int]*part
}

// part is the checkpoint of a segment, and its lock.
type part struct {
	checkpoint carillon.Position
	lock       queue
}

var (
	errTakenBack = errors.New("the database took the transaction back")
	errDown      = errors.New("the process is down")
	errLost      = errors.New("connection lost")
	errDoubt     = errors.New("carried out or not")
)

// transaction is an update of a segment.
type transaction struct {
	database   *database
	session    *session
	ref        carillon.ModelRef
	what       string
	model      *model
	part       *part
	checkpoint carillon.Position
	rows       map[string]carillon.Row
	moved      bool
	cleared    bool
	parking    []func(*letters)
	fenced     *lease
	fence      carillon.Lease
}

// lock locks a segment, making it when it is new.
func (d *database) lock(ref carillon.ModelRef) (*model, *part) {
	for {
		m := d.models[modelName(ref)]
		if m == nil {
			d.generations++
			m = &model{generation: d.generations, rows: make(map[string]carillon.Row), segments: make(map[int]*part)}
			d.models[modelName(ref)] = m
		}
		p := m.segments[ref.Segment]
		if p == nil {
			p = &part{}
			m.segments[ref.Segment] = p
		}
		d.world.take(&p.lock)
		if d.world.halted || d.models[modelName(ref)] == m && m.segments[ref.Segment] == p {
			return m, p
		}
		p.lock.give() // another model took its place meanwhile
	}
}

// begin locks a segment for an update.
func (d *database) begin(s *session, ref carillon.ModelRef, what string) *transaction {
	m, p := d.lock(ref)
	t := &transaction{database: d, session: s, ref: ref, what: what, model: m, part: p, checkpoint: p.checkpoint, rows: make(map[string]carillon.Row)}
	if d.world.bug == rowsOverwritten {
		t.rows = maps.Clone(m.rows)
	}
	if d.world.bug == checkpointShared {
		t.checkpoint = d.checkpoint(ref)
	}
	return t
}

// checkpoint returns how far a segment has come.
func (d *database) checkpoint(ref carillon.ModelRef) carillon.Position {
	m := d.models[modelName(ref)]
	if m == nil {
		return 0
	}
	if d.world.bug == checkpointShared {
		var most carillon.Position
		for _, p := range m.segments {
			most = max(most, p.checkpoint)
		}
		return most
	}
	if p := m.segments[ref.Segment]; p != nil {
		return p.checkpoint
	}
	return 0
}

// commit makes visible what the transaction did. half says that only its first half is carried out, where there are two.
func (t *transaction) commit(half bool) {
	bug := t.database.world.bug
	if bug != parkedLater || !half {
		for _, change := range t.parking {
			change(t.database.letters)
		}
	}
	if t.cleared {
		t.wipe()
	}
	if bug != checkpointFirst || !half {
		for key, row := range t.rows {
			if row.Value == nil {
				delete(t.model.rows, key)
			} else {
				t.model.rows[key] = row
			}
		}
	}
	if t.moved && (bug != checkpointAfterRows || !half) {
		t.part.checkpoint = t.checkpoint
	}
}

// end lets go of the locks.
func (t *transaction) end() {
	if t.fenced != nil {
		t.fenced.pins.open()
	}
	t.part.lock.give()
}

func (t *transaction) Checkpoint() (carillon.Position, error) { return t.checkpoint, nil }

func (t *transaction) Row(key string) (carillon.Row, error) {
	t.database.world.mu.Lock()
	defer t.database.world.mu.Unlock()
	row, ok := t.rows[key]
	if !ok && !t.cleared {
		row = t.model.rows[key]
	}
	if row.Value == nil {
		return carillon.Row{}, carillon.ErrNotFound
	}
	return row, nil
}

func (t *transaction) Put(rows []carillon.Row) error {
	for _, row := range rows {
		t.rows[row.Key] = row
	}
	return nil
}

func (t *transaction) Advance(to carillon.Position) error {
	t.checkpoint, t.moved = to, true
	return nil
}

func (t *transaction) Generation() int64 {
	if t.database.world.bug == switchUnnoticed {
		return 1
	}
	return t.model.generation
}

// Fence refuses a lease that has changed hands, and keeps it from doing so until the transaction ends.
func (t *transaction) Fence(held carillon.Lease) error {
	w := t.database.world
	w.mu.Lock()
	defer w.mu.Unlock()
	t.fence = held
	if w.bug == fenceIgnored {
		return nil
	}
	l := t.database.leases[held.Name]
	if l == nil || l.epoch != held.Epoch {
		return fmt.Errorf("lease %q is not at epoch %d: %w", held.Name, held.Epoch, carillon.ErrLeaseLost)
	}
	if w.bug != fenceUnlocked && t.fenced == nil {
		t.fenced = l
		l.pins.shut()
	}
	return nil
}
