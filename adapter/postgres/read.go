package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
)

const (
	columns = "position, version, type, time, id, metadata, payload, stream"

	// bounded ends a page of rows early, so that large events do not make large pages: the size before a row is what counts. Each row
	// says whether another one was found behind it.
	bounded = "SELECT " + columns + `, followed FROM (SELECT *, lead(position) OVER sofar IS NOT NULL AS followed,
		sum(octet_length(payload)) OVER sofar - octet_length(payload) AS before
		FROM (%s) found WINDOW sofar AS (ORDER BY position ROWS UNBOUNDED PRECEDING)) sized
		WHERE before <= 1048576 ORDER BY position`
	// paged has one row more: the head as the statement sees it, in place of a version.
	paged       = "(" + bounded + ") UNION ALL SELECT NULL, head, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM {{schema}}.log"
	selectAll   = "SELECT " + columns + " FROM {{schema}}.events WHERE position > $1 AND position <= $3 ORDER BY position LIMIT $2"
	selectFound = "SELECT " + columns + " FROM {{schema}}.events WHERE position IN (%s)"
	selectOwn   = "SELECT " + columns + " FROM {{schema}}.events WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3"
)

// Read returns a page of the log: head and rows are of one statement, and so of one moment.
func (l *eventLog) Read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return carillon.Page{}, err
	}
	page, err := s.page(ctx, query, max(after, 0), limit)
	return page, ended(ctx, err)
}

func (s *Store) page(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	c := collector{names: s.names, limit: limit}
	unknown := s.unknownTypes(query)
	through := carillon.Position(math.MaxInt64)
	if limit < 1 || len(unknown) > 0 {
		// What is appended after the types are looked up may be of a type that was not there: it is not searched.
		if err := s.pool.QueryRow(ctx, s.texts.fill(selectHead)).Scan(&through); err != nil {
			return carillon.Page{}, err
		}
		if limit < 1 || through <= after {
			return carillon.Page{Through: max(through, after), More: through > after}, nil
		}
		if err := s.learnTypes(ctx, unknown, false); err != nil {
			return carillon.Page{}, err
		}
	}
	found := compile(query, s.names, after, through, limit+1)
	if found.nothing {
		return carillon.Page{Through: through}, nil
	}
	rows, err := s.pool.Query(ctx, s.texts.fill(fmt.Sprintf(paged, found.text)), found.arguments...)
	if err == nil {
		err = c.collect(rows)
	}
	if err == nil {
		err = s.nameTypes(ctx, &c)
	}
	if err != nil {
		return carillon.Page{}, err
	}
	page := carillon.Page{Events: c.events, Through: max(min(c.head, through), after), More: c.more}
	if c.more {
		page.Through = c.events[len(c.events)-1].Position
	}
	return page, nil
}

// ReadStream returns the next events of a stream.
func (l *eventLog) ReadStream(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	c := collector{names: s.names, limit: limit}
	rows, err := s.pool.Query(ctx, s.texts.fill(fmt.Sprintf(bounded, selectOwn)), stream, after, limit)
	if err == nil {
		err = c.collect(rows)
	}
	if err == nil {
		err = s.nameTypes(ctx, &c)
	}
	return c.events, ended(ctx, err)
}

// Keeps reports whether snapshots are those of the log's own store.
func (l *eventLog) Keeps(s carillon.Snapshots) bool {
	own, ok := s.(*snapshots)
	return ok && own.store() == l.store()
}

// ReadTail returns the snapshot of a key and the next events of a stream after it, in one round trip. The snapshot may be replaced by
// a later one in between: then the events are those after that one, and it is read again.
func (l *eventLog) ReadTail(ctx context.Context, key, stream string, limit int) (carillon.Snapshot, []carillon.Recorded, error) {
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return carillon.Snapshot{}, nil, err
	}
	const tail = "SELECT " + columns + ` FROM {{schema}}.events WHERE stream = $1
		AND version > coalesce((SELECT at FROM {{schema}}.snapshots WHERE key = $3), 0) ORDER BY version LIMIT $2`
	for {
		snapshot := carillon.Snapshot{}
		c := collector{names: s.names, limit: limit}
		batch := &pgx.Batch{}
		batch.Queue(s.texts.fill(selectSnapshot), []byte(key)).QueryRow(func(row pgx.Row) (err error) {
			snapshot, err = readSnapshot(row, key)
			return err
		})
		batch.Queue(s.texts.fill(fmt.Sprintf(bounded, tail)), stream, limit, []byte(key)).Query(c.collect)
		if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
			return carillon.Snapshot{}, nil, ended(ctx, err)
		}
		if err := s.nameTypes(ctx, &c); err != nil {
			return carillon.Snapshot{}, nil, ended(ctx, err)
		}
		if len(c.events) == 0 || c.events[0].Version == snapshot.At+1 {
			return snapshot, c.events, nil
		}
	}
}

// unknownTypes are a query's types whose numbers are not known.
func (s *Store) unknownTypes(query carillon.Query) (unknown []string) {
	for _, item := range query.Items {
		for _, typ := range item.Types {
			if s.names.id(typ) == 0 {
				unknown = append(unknown, typ)
			}
		}
	}
	return unknown
}
