package carillon

import "context"

// Snapshot is a state saved to spare a replay. It is a cache: whoever reads one checks the fingerprint before anything else
// and replays on any mismatch.
type Snapshot struct {
	// Key names the boundary, such as a stream.
	Key string
	// At is the stream version, or the log position, of the last event in the state.
	At int64
	// Fingerprint identifies the shape of the state and the folds that made it.
	Fingerprint string
	State       []byte
}

// Snapshots is the port of the snapshot cache. All methods are safe for concurrent use.
type Snapshots interface {
	// LoadSnapshot returns the last snapshot saved under a key, or [ErrNotFound].
	LoadSnapshot(ctx context.Context, key string) (Snapshot, error)
	// SaveSnapshot replaces the snapshot of its key unless the one there stands at a later point. It may be lost at a power
	// cut.
	SaveSnapshot(ctx context.Context, snapshot Snapshot) error
}

// SnapshotLog is implemented by a [Log] whose store keeps snapshots, too: it reads a snapshot together with what happened since,
// which on a server is one round trip for two.
type SnapshotLog interface {
	// Keeps reports whether snapshots are those of the log's own store.
	Keeps(snapshots Snapshots) bool
	// ReadTail returns the snapshot of a key, a zero one when there is none, and the next events of a stream after it, as
	// [Log.ReadStream] does.
	ReadTail(ctx context.Context, key, stream string, limit int) (Snapshot, []Recorded, error)
}
