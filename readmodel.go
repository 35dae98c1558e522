package carillon

import (
	"context"
	"database/sql"
)

// Row is one row of a keyed read model.
type Row struct {
	Key string
	// Value is the encoded state; nil deletes the row.
	Value []byte
	// Version is the stream version of the last event folded into the row when the row's key is a stream's entity, else 0.
	Version int64
}

// ModelRef names a read model, or the shadow that a rebuild fills beside it.
type ModelRef struct {
	Name   string
	Shadow bool
	// Segment is the part of a model's keys whose checkpoint is meant. Rows belong to the model, whatever the segment.
	Segment int
}

// ModelInfo is what a store knows of a read model.
type ModelInfo struct {
	Name string
	// Checkpoint is how far the slowest segment has come.
	Checkpoint Position
	Rows       int64
	// Shadow is the checkpoint of a rebuild under way, -1 when there is none.
	Shadow Position
}

// Durability says what a commit must survive.
type Durability uint8

const (
	// Refoldable commits survive the process. A power cut may undo the last of them, rows and checkpoint together, and the log
	// folds them again.
	Refoldable Durability = iota
	// Flushed commits are on disk when Update returns.
	Flushed
)

// ReadModels is the port of read models and checkpoints. A reactor's checkpoint is a read model without rows.
//
// All methods are safe for concurrent use.
type ReadModels interface {
	// Update runs fn in one transaction: what it puts and the checkpoint it sets commit together, or not at all when fn
	// returns an error. Updates of one segment of a model, or of its shadow, run one at a time, also those of several processes, so the
	// checkpoint and the rows that the segment alone writes do not change while fn runs. Nothing else may be relied on: updates of other
	// models and segments may run at the same time or wait for this one, as the store has it. fn is short and calls nothing of the
	// store but tx.
	Update(ctx context.Context, model ModelRef, durability Durability, fn func(tx ReadModelTx) error) error

	// Row returns one row or [ErrNotFound], with the checkpoint the row is as of.
	Row(ctx context.Context, model ModelRef, key string) (Row, Position, error)

	// Rows returns rows in order of key after a key (empty for the first), at most limit of them.
	Rows(ctx context.Context, model ModelRef, after string, limit int) ([]Row, error)

	// Models lists what the store holds, in order of name. Models with a checkpoint and no rows are listed too. Names that begin with
	// "carillon." are what engines keep for themselves.
	Models(ctx context.Context) ([]ModelInfo, error)

	// Switch makes the shadow the live model and drops the old rows, atomically; [ErrNotFound] when there is no shadow, [ErrConflict]
	// when any segment of the live model has come further than the shadow's slowest: readers never go back. In the same step the
	// dead letters of the shadow become the live model's, whose own are dropped, and so are the tries that somebody asked for.
	Switch(ctx context.Context, name string) error
}

// ReadModelTx is the transaction of one update. It is valid until fn returns and is not safe for concurrent use.
type ReadModelTx interface {
	// Checkpoint returns how far the model has come, 0 when it is new.
	Checkpoint() (Position, error)
	// Row returns the row as this transaction sees it, or [ErrNotFound].
	Row(key string) (Row, error)
	// Put writes rows; a row without a value is deleted.
	Put(rows []Row) error
	// Advance moves the checkpoint.
	Advance(to Position) error
	// Clear removes all rows, the checkpoints of all segments, the dead letters, and the tries that somebody asked for: the model begins
	// anew.
	Clear() error
}

// SQLTx is a [ReadModelTx] of a SQL database: a projection into tables of its own writes through it.
type SQLTx interface {
	SQL() SQLExecutor
}

// SQLExecutor runs statements inside a transaction that the store commits. It is what a [sql.Tx] offers, without the end.
type SQLExecutor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// SQLReader is a store whose tables queries may read.
type SQLReader interface {
	// ReadSQL returns a pool of read-only connections that the store closes.
	ReadSQL() *sql.DB
}
