package sqlite

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
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
	metadata []byte
}

func (a *appender) run(batch []carillon.Append) error {
	for i := range batch {
		verdict, err := a.append(&batch[i])
		if err != nil {
			return err
		}
		a.verdicts[i] = verdict
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
		if appended.Stream != "" {
			version++
		}
		if err := a.insert(appended.Stream, version, &appended.Events[i]); err != nil {
			return carillon.Verdict{}, err
		}
	}
	if appended.Stream != "" {
		a.state.setVersion(appended.Stream, version)
		done.Version = version
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

// guard evaluates the guards in the port's order. refused is the verdict when one did not hold; version is the stream's.
func (a *appender) guard(appended *carillon.Append) (version int64, refused *carillon.Verdict, err error) {
	if appended.Command != nil {
		record, err := readCommand(a.conn, appended.Command.ID)
		switch {
		case err == nil && record.Guard.Digest != appended.Command.Digest:
			return 0, &carillon.Verdict{Err: carillon.ErrCommandReused}, nil
		case err == nil:
			record.Appended.Duplicate = true
			return 0, &carillon.Verdict{Appended: record.Appended}, nil
		case !errors.Is(err, carillon.ErrNotFound):
			return 0, nil, err
		}
	}
	if appended.Stream != "" {
		if version, err = a.state.version(a.conn, appended.Stream); err != nil {
			return 0, nil, err
		}
		if want, ok := appended.Expect.Version(); ok && want != version {
			return 0, &carillon.Verdict{Err: &carillon.ConflictError{
				Guard: carillon.GuardVersion, Stream: appended.Stream, Expected: want, Actual: version,
			}}, nil
		}
	}
	if appended.Condition != nil {
		found, err := a.find(appended.Condition)
		if err != nil {
			return 0, nil, err
		}
		if found > 0 {
			return 0, &carillon.Verdict{Err: &carillon.ConflictError{Guard: carillon.GuardCondition, Position: found}}, nil
		}
	}
	return version, nil, nil
}

// find returns the position of the first event that breaks a condition, 0 for none.
func (a *appender) find(condition *carillon.Condition) (carillon.Position, error) {
	if found, known := a.state.find(condition.Query, condition.After); known {
		return found, nil
	}
	search, err := compile(a.conn, a.names, condition.Query)
	if err != nil {
		return 0, err
	}
	return search.first(a.conn, condition.After, a.state.head)
}

func (a *appender) insert(stream string, version int64, event *carillon.Message) error {
	typ, err := a.typeNumber(event.Type)
	if err != nil {
		return err
	}
	position := int64(a.state.head) + 1
	stmt, err := a.conn.statement("INSERT INTO carillon_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	a.metadata = envelope.Append(a.metadata[:0], event)
	err = firstError(
		stmt.BindInt64(1, position),
		bindStream(stmt, stream, version),
		stmt.BindInt64(4, typ),
		bindID(stmt, 5, event.ID),
		stmt.BindInt64(6, event.Time.UnixMicro()),
		bindOptional(stmt, 7, a.metadata),
		stmt.BindBlob(8, event.Payload),
		stmt.Exec(),
	)
	if err != nil {
		return err
	}
	for _, tag := range event.Tags {
		if err := a.insertTag(tag, position, typ); err != nil {
			return err
		}
	}
	a.state.add(event)
	return nil
}

func (a *appender) insertTag(tag carillon.Tag, position, typ int64) error {
	stmt, err := a.conn.statement("INSERT INTO carillon_tags VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	return firstError(stmt.BindText(1, string(tag)), stmt.BindInt64(2, position), stmt.BindInt64(3, typ), stmt.Exec())
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

// bindStream binds the stream's name and the event's version in it, or neither.
func bindStream(stmt *sqlite3.Stmt, stream string, version int64) error {
	if stream == "" {
		return firstError(stmt.BindNull(2), stmt.BindNull(3))
	}
	return firstError(stmt.BindText(2, stream), stmt.BindInt64(3, version))
}

// bindID stores a UUID as a blob of 16 bytes and any other id as text.
func bindID(stmt *sqlite3.Stmt, parameter int, id string) error {
	if len(id) == 36 {
		if parsed, err := uuid.Parse(id); err == nil && parsed.String() == id {
			return stmt.BindBlob(parameter, parsed[:])
		}
	}
	return stmt.BindText(parameter, id)
}

func bindOptional(stmt *sqlite3.Stmt, parameter int, value []byte) error {
	if len(value) == 0 {
		return stmt.BindNull(parameter)
	}
	return stmt.BindBlob(parameter, value)
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
