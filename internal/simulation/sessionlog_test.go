package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

// sessionLog is the log as a process reaches it.
type sessionLog struct{ *session }

func (l sessionLog) Append(ctx context.Context, batch []carillon.Append) (verdicts []carillon.Verdict, err error) {
	w, d := l.world, l.world.database
	var of attempt
	var givenUp []int
	w.locked(func() {
		l.number++
		of, givenUp = attempt{l.name, l.number}, slices.Clone(l.givenUp)
	})
	batch = slices.Clone(batch)
	err = l.call(ctx, "append "+named(batch), func(f fate) (string, error) {
		if f.late > 0 && len(batch) > 0 {
			w.do(func() { l.appendLate(of, givenUp, batch, f) })
			return "", doubt(errLost)
		}
		verdicts = d.append(of, givenUp, batch, f)
		if verdicts == nil {
			return "", errTakenBack
		}
		w.audit.appended()
		return outcomes(verdicts), nil
	})
	err = decided(err)
	w.locked(func() {
		for i := range batch {
			if o := w.ops[commandOf(&batch[i])]; o != nil {
				o.answered = time.Now()
			}
		}
		switch {
		case err == nil:
			l.givenUp = slices.DeleteFunc(l.givenUp, func(n int) bool { return slices.Contains(givenUp, n) })
		case errors.Is(err, carillon.ErrOutcomeUnknown):
			l.givenUp = append(l.givenUp, of.number)
		}
	})
	if errors.Is(err, carillon.ErrOutcomeUnknown) && w.bug == lossCalledFailure {
		return nil, errLost
	}
	if err != nil {
		return nil, err
	}
	return verdicts, nil
}

// appendLate carries out an append whose caller has its answer: that nobody knows.
func (l sessionLog) appendLate(of attempt, givenUp []int, batch []carillon.Append, f fate) {
	w := l.world
	w.pass(f.late)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.halted {
		return
	}
	f.aborted = false
	verdicts := w.database.append(of, givenUp, batch, f)
	if verdicts == nil {
		w.note("%s append %s, late: given up", l.name, named(batch))
		return
	}
	w.note("%s append %s, late: %s", l.name, named(batch), outcomes(verdicts))
	w.audit.appended()
}

// commandOf is the id of the command an append carries.
func commandOf(a *carillon.Append) string {
	if a.Command == nil {
		return ""
	}
	return a.Command.ID
}

func named(batch []carillon.Append) string {
	if len(batch) == 0 {
		return "nothing"
	}
	names := make([]string, len(batch))
	for i := range batch {
		names[i] = commandOf(&batch[i])
		if version, ok := batch[i].Expect.Version(); ok {
			names[i] += fmt.Sprintf("@%d", version)
		} else if batch[i].Condition != nil {
			names[i] += fmt.Sprintf("@@%d", batch[i].Condition.After)
		}
	}
	return strings.Join(names, ",")
}

func outcomes(verdicts []carillon.Verdict) string {
	texts := make([]string, len(verdicts))
	for i, v := range verdicts {
		switch {
		case v.Err != nil:
			texts[i] = v.Err.Error()
		case v.Appended.Duplicate:
			texts[i] = fmt.Sprintf("duplicate of %d-%d", v.Appended.First, v.Appended.Last)
		default:
			texts[i] = fmt.Sprintf("%d-%d", v.Appended.First, v.Appended.Last)
		}
	}
	return strings.Join(texts, ", ")
}

// Read returns a page.
func (l sessionLog) Read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (page carillon.Page, err error) {
	if len(query.Items) == 0 && ctx.Value(opKey{}) == nil {
		return l.readAll(ctx, after, limit)
	}
	err = l.reading(ctx, fmt.Sprintf("read %v after %d", query.Items, after), func(fate) (string, error) {
		page = l.world.database.read(query, after, limit)
		return fmt.Sprintf("%d events through %d", len(page.Events), page.Through), nil
	})
	return page, err
}

func (l sessionLog) ReadStream(ctx context.Context, stream string, after int64, limit int) (events []carillon.Recorded, err error) {
	err = l.reading(ctx, fmt.Sprintf("read %s after %d", stream, after), func(fate) (string, error) {
		events = l.world.database.readStream(stream, after, limit)
		return fmt.Sprintf("%d events", len(events)), nil
	})
	return events, err
}

// Keeps reports whether snapshots are this store's.
func (l sessionLog) Keeps(snapshots carillon.Snapshots) bool { return snapshots == l.Snapshots() }

// ReadTail reads a snapshot together with what happened since.
func (l sessionLog) ReadTail(ctx context.Context, key, stream string, limit int) (snapshot carillon.Snapshot, events []carillon.Recorded, err error) {
	err = l.reading(ctx, "read tail of "+key, func(fate) (string, error) {
		snapshot = l.world.database.snapshots[key]
		events = l.world.database.readStream(stream, snapshot.At, limit)
		return fmt.Sprintf("snapshot at %d, %d events", snapshot.At, len(events)), nil
	})
	return snapshot, events, err
}

// reading is a call on behalf of a command that reads its boundary anew. After several conflicts the command has waited for a while that
// no seed settles; the call arrives when the longest would be over.
func (l sessionLog) reading(ctx context.Context, request string, carry func(fate) (string, error)) error {
	const longest = 60 * time.Millisecond
	if o, ok := ctx.Value(opKey{}).(*op); ok {
		var wait time.Duration
		l.world.locked(func() {
			o.reads++
			if o.reads > 2 && !o.answered.IsZero() {
				wait = time.Until(o.answered.Add(longest))
			}
		})
		if wait > 0 {
			l.world.pass(wait)
		}
	}
	return l.call(ctx, request, carry)
}

func (l sessionLog) Head(ctx context.Context) (head carillon.Position, err error) {
	err = l.call(ctx, "head", func(fate) (string, error) {
		head = carillon.Position(len(l.world.database.visible()))
		return fmt.Sprint(head), nil
	})
	return head, err
}

func (l sessionLog) Command(ctx context.Context, id string) (record carillon.CommandRecord, err error) {
	err = l.call(ctx, "command "+id, func(fate) (string, error) {
		found, ok := l.world.database.commands[id]
		if !ok {
			return "", carillon.ErrNotFound
		}
		record = found
		return fmt.Sprintf("%d-%d", record.Appended.First, record.Appended.Last), nil
	})
	return record, err
}
