package sqlite

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// Append writes a batch in one transaction.
func (l *eventLog) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	s := l.store()
	if err := s.writable(ctx); err != nil {
		return nil, err
	}
	w := s.writer
	if err := w.lock(ctx, carillon.Flushed); err != nil {
		return nil, err
	}
	defer w.unlock()
	if len(batch) == 0 {
		return nil, nil
	}
	a := appender{writer: w, verdicts: make([]carillon.Verdict, len(batch))}
	w.rows.forget() // what a batch that failed has left
	err := w.transaction(ctx, func() error { return a.run(batch) })
	if err != nil {
		a.undo(s.names)
		return nil, err
	}
	return a.verdicts, nil
}

// appender carries out one batch inside the writer's transaction.
type appender struct {
	*writer
	verdicts []carillon.Verdict
	newTypes []string

	streamless int64 // counts what has no versions
}

func (a *appender) run(batch []carillon.Append) error {
	for i := range batch {
		verdict, err := a.append(&batch[i])
		if err != nil {
			return err
		}
		a.verdicts[i] = verdict
	}
	if err := a.rows.insert(a.conn); err != nil {
		return err
	}
	if a.source.beforeCommit != nil {
		a.source.beforeCommit()
	}
	return nil
}

// undo makes the remembered state that of the file again after a rollback.
func (a *appender) undo(names *typeNames) {
	for _, name := range a.newTypes {
		names.forget(name)
	}
	if a.poisoned == nil { // else reopening loads it
		a.poisoned = a.state.load(a.conn)
	}
}

// append carries out one append, all of it or nothing: guards come before the first write. An error ends the batch.
func (a *appender) append(appended *carillon.Append) (carillon.Verdict, error) {
	version, refused, err := a.guard(appended)
	if err != nil || refused != nil {
		return unless(refused), err
	}
	done := carillon.Appended{First: a.state.head + 1}
	for i := range appended.Events {
		*version++
		event := &appended.Events[i]
		typ, err := a.typeNumber(event.Type)
		if err != nil {
			return carillon.Verdict{}, err
		}
		a.state.add(event)
		a.rows.add(eventRow{event: event, stream: appended.Stream, version: *version, position: int64(a.state.head), typ: typ})
	}
	if appended.Stream != "" {
		done.Version = *version
	}
	done.Last = a.state.head
	if appended.Command != nil {
		err = a.insertCommand(appended.Command, done)
	}
	return carillon.Verdict{Appended: done}, err
}

func unless(refused *carillon.Verdict) carillon.Verdict {
	if refused == nil {
		return carillon.Verdict{}
	}
	return *refused
}

// guard evaluates the guards in the port's order. refused is the verdict when one did not hold. version is the stream's, to be raised
// with every event; without a stream it means nothing.
func (a *appender) guard(appended *carillon.Append) (version *int64, refused *carillon.Verdict, err error) {
	if appended.Command != nil {
		record, err := readCommand(a.conn, appended.Command.ID)
		switch {
		case err == nil && record.Guard.Digest != appended.Command.Digest:
			return nil, &carillon.Verdict{Err: carillon.ErrCommandReused}, nil
		case err == nil:
			record.Appended.Duplicate = true
			return nil, &carillon.Verdict{Appended: record.Appended}, nil
		case !errors.Is(err, carillon.ErrNotFound):
			return nil, nil, err
		}
	}
	if appended.Stream == "" {
		version = &a.streamless
	} else {
		if version, err = a.version(appended.Stream); err != nil {
			return nil, nil, err
		}
		if want, ok := appended.Expect.Version(); ok && want != *version {
			return nil, &carillon.Verdict{Err: &carillon.ConflictError{
				Guard: carillon.GuardVersion, Stream: appended.Stream, Expected: want, Actual: *version,
			}}, nil
		}
	}
	if appended.Condition != nil {
		found, err := a.find(appended.Condition)
		if err != nil {
			return nil, nil, err
		}
		if found > 0 {
			return nil, &carillon.Verdict{Err: &carillon.ConflictError{Guard: carillon.GuardCondition, Position: found}}, nil
		}
	}
	return version, nil, nil
}

// version returns the last version of a stream, to be raised with every event appended to it.
func (a *appender) version(stream string) (*int64, error) {
	if version, ok := a.state.versions[stream]; ok {
		return version, nil
	}
	if a.state.full() { // and may have to forget a stream of this batch
		if err := a.rows.insert(a.conn); err != nil {
			return nil, err
		}
	}
	return a.state.lookUp(a.conn, stream)
}

// find returns the position of the first event that breaks a condition, 0 for none.
func (a *appender) find(condition *carillon.Condition) (carillon.Position, error) {
	if found, known := a.state.find(condition.Query, condition.After); known {
		return found, nil
	}
	since := a.state.since
	if a.rows.from() <= since { // the tables have to be searched as far as the state does not reach
		if err := a.rows.insert(a.conn); err != nil {
			return 0, err
		}
	}
	search, err := compile(a.conn, a.names, condition.Query)
	if err != nil {
		return 0, err
	}
	found, err := search.first(a.conn, condition.After, since)
	if err == nil && found == 0 {
		found, _ = a.state.find(condition.Query, since)
	}
	return found, err
}

func (a *appender) insertCommand(guard *carillon.CommandGuard, done carillon.Appended) error {
	return a.conn.exec("INSERT INTO carillon_commands VALUES (?, ?, ?, ?, ?)", func(stmt *sqlite3.Stmt) error {
		return firstError(
			stmt.BindText(1, guard.ID),
			stmt.BindBlob(2, guard.Digest[:]),
			stmt.BindInt64(3, int64(done.First)),
			stmt.BindInt64(4, int64(done.Last)),
			stmt.BindInt64(5, done.Version),
		)
	})
}

// typeNumber returns the number of an event type, giving it one when it is new.
func (a *appender) typeNumber(name string) (int64, error) {
	id, err := a.names.id(a.conn, name)
	if err != nil || id > 0 {
		return id, err
	}
	err = a.conn.exec("INSERT INTO carillon_types (name) VALUES (?)", func(stmt *sqlite3.Stmt) error {
		return stmt.BindText(1, name)
	})
	if err != nil {
		return 0, err
	}
	id = a.conn.LastInsertRowID()
	a.names.remember(id, name)
	a.newTypes = append(a.newTypes, name)
	return id, nil
}

// firstError returns the first of several outcomes that is an error.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
