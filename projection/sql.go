package projection

import (
	"context"
	"fmt"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// Tables is the definition of a SQL projection: read models in tables of your own.
type Tables struct {
	name     string
	schema   string
	empty    string
	handlers map[string]statement
	err      error
}

// statement applies one event to the tables.
type statement func(context.Context, carillon.SQLExecutor, carillon.Codec, *eventlog.Entry) error

// TablesPart is one piece of a SQL projection's definition.
type TablesPart func(*Tables)

// SQL defines a projection into tables. schema is run before the first event, in the same transaction; it is written so that it
// may run again, as CREATE TABLE IF NOT EXISTS is. Handlers write through the transaction that carries the checkpoint, and do
// nothing else: they may run again. Where rows fold from one key each, [Keyed] is shorter and faster.
func SQL(name, schema string, parts ...TablesPart) *Tables {
	t := &Tables{name: name, schema: schema, handlers: make(map[string]statement)}
	if err := carillon.CheckType(name); err != nil {
		t.err = fmt.Errorf("projection %q: %w", name, err)
	}
	for _, part := range parts {
		part(t)
	}
	if len(t.handlers) == 0 && t.err == nil {
		t.err = carillon.Invalidf(fmt.Sprintf("projection %q", name), "it writes at least one event type, see Write")
	}
	return t
}

// Write registers the handler of an event type. at is where the event stands.
func Write[E any](event string, handle func(ctx context.Context, tx carillon.SQLExecutor, at carillon.Recorded, e E) error) TablesPart {
	return func(t *Tables) {
		if _, taken := t.handlers[event]; taken && t.err == nil {
			t.err = carillon.Invalidf(fmt.Sprintf("projection %q", t.name), "event %q is handled twice", event)
		}
		t.handlers[event] = func(ctx context.Context, tx carillon.SQLExecutor, codec carillon.Codec, entry *eventlog.Entry) error {
			e, err := eventlog.Decode[E](codec, entry)
			if err != nil {
				return err
			}
			return handle(ctx, tx, *entry.Recorded, e)
		}
	}
}

// Empty gives the statement that empties the tables, which a rebuild needs.
func Empty(statement string) TablesPart { return func(t *Tables) { t.empty = statement } }

// Name returns the projection's name.
func (t *Tables) Name() string { return t.name }

// Describe describes the projection.
func (t *Tables) Describe() carillon.Description {
	description := carillon.Description{Kind: "projection", Name: t.name, Detail: map[string]string{"rows": "tables of its own"}}
	for event := range t.handlers {
		description.Accepts = append(description.Accepts, event)
	}
	slices.Sort(description.Accepts)
	return description
}

func unsupportedSQL(name string) error {
	return fmt.Errorf("projection %q writes SQL tables, this store has none: use a SQL store or a keyed projection: %w", name, carillon.ErrUnsupported)
}
