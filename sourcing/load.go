package sourcing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

// stream is the name of an aggregate's stream.
func (b *Bound[S]) stream(key string) string { return b.decider.name + "-" + key }

// keys are what a boundary is locked and kept by: its stream, or its tags in order.
func (b *Bound[S]) keys(of boundary) []string {
	if !b.decider.across {
		return []string{b.stream(of.key)}
	}
	keys := make([]string, len(of.tags))
	for i, tag := range of.tags {
		keys[i] = string(tag)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// stateKey names a boundary in the cache and among the snapshots.
func (b *Bound[S]) stateKey(keys []string) string {
	if !b.decider.across {
		return keys[0]
	}
	return b.decider.name + "?" + strings.Join(keys, "\x00")
}

// refresh returns the state of a boundary as of now, starting from the kept one or the last snapshot.
func (b *Bound[S]) refresh(ctx context.Context, of boundary) (at cached[S], err error) {
	key := b.stateKey(b.keys(of))
	kept, ok := b.states.get(key)
	switch {
	case b.decider.across && ok:
		at, err = b.replayQuery(ctx, of.query, kept)
	case b.decider.across:
		at, err = b.replayQuery(ctx, of.query, b.restore(ctx, key))
	case ok:
		at, err = b.replayStream(ctx, key, kept)
	default:
		at, err = b.recall(ctx, key)
	}
	if err == nil {
		b.states.put(at)
	}
	return at, err
}

// recall returns the state of a stream that is not kept in memory.
func (b *Bound[S]) recall(ctx context.Context, stream string) (cached[S], error) {
	if b.tails == nil {
		return b.replayStream(ctx, stream, b.restore(ctx, stream))
	}
	snapshot, events, err := b.tails.ReadTail(ctx, stream, stream, firstPage)
	if err != nil {
		return cached[S]{}, err
	}
	at, ok := b.resume(stream, snapshot)
	if !ok && snapshot.At > 0 { // the events are those after a snapshot that cannot be used
		return b.replayStream(ctx, stream, at)
	}
	return b.replay(ctx, at, streamPage(events, at.at, firstPage, nil), b.streamPages(stream))
}

// restore returns the snapshot of a boundary, or the state before the first event. A snapshot that cannot be read is no error: it
// is a cache, and the log is replayed.
func (b *Bound[S]) restore(ctx context.Context, key string) cached[S] {
	var snapshot carillon.Snapshot
	if b.decider.snapshots > 0 {
		var err error
		snapshot, err = b.snapshots.LoadSnapshot(ctx, key)
		if err != nil && !errors.Is(err, carillon.ErrNotFound) {
			b.logger.Warn("snapshot not read, replaying", slog.String("key", key), slog.Any("error", err))
		}
	}
	at, _ := b.resume(key, snapshot)
	return at
}

// resume returns the state in a snapshot, or the one before the first event when the snapshot cannot be used.
func (b *Bound[S]) resume(key string, snapshot carillon.Snapshot) (at cached[S], ok bool) {
	start := cached[S]{key: key, state: b.decider.initial}
	if snapshot.At == 0 || snapshot.Fingerprint != b.fingerprint {
		return start, false
	}
	var state S
	if err := b.codec.Decode(snapshot.State, &state); err != nil {
		b.logger.Warn("snapshot not decoded, replaying", slog.String("key", key), slog.Any("error", err))
		return start, false
	}
	return cached[S]{key: key, state: state, at: snapshot.At}, true
}

// replayStream folds what happened to a stream after a state.
func (b *Bound[S]) replayStream(ctx context.Context, stream string, at cached[S]) (cached[S], error) {
	read := b.streamPages(stream)
	return b.replay(ctx, at, read(ctx, at.at, firstPage), read)
}

// replayQuery folds what a query selects after a state.
func (b *Bound[S]) replayQuery(ctx context.Context, query carillon.Query, at cached[S]) (cached[S], error) {
	read := b.queryPages(query)
	return b.replay(ctx, at, read(ctx, at.at, firstPage), read)
}

// foldAll folds recorded events into a state.
func (b *Bound[S]) foldAll(at *cached[S], events []carillon.Recorded) (err error) {
	for i := range events {
		if at.state, err = b.fold(at.state, &events[i]); err != nil {
			return err
		}
		at.unsaved++
	}
	return nil
}

// fold folds a recorded event into a state.
func (b *Bound[S]) fold(state S, event *carillon.Recorded) (S, error) {
	f, ok := b.decider.folds[event.Type]
	if !ok {
		return state, fmt.Errorf("decider %q: event %q at position %d: register it with On, or Ignore it: %w",
			b.decider.name, event.Type, event.Position, carillon.ErrUnknownType)
	}
	if f.event == nil {
		return state, nil
	}
	next, err := f.replay(b.codec, state, event.Payload)
	if err != nil {
		return state, fmt.Errorf("decider %q: decode event %q at position %d: %w", b.decider.name, event.Type, event.Position, err)
	}
	return next, nil
}

// save saves a snapshot when one is due. It may fail: the next one may not.
func (b *Bound[S]) save(ctx context.Context, at *cached[S]) {
	if b.decider.snapshots == 0 || at.unsaved < b.decider.snapshots {
		return
	}
	at.unsaved = 0
	encoded, err := b.codec.Encode(at.state)
	if err == nil {
		err = b.snapshots.SaveSnapshot(ctx, carillon.Snapshot{Key: at.key, At: at.at, Fingerprint: b.fingerprint, State: encoded})
	}
	if err != nil {
		b.logger.Warn("snapshot not saved", slog.String("key", at.key), slog.Any("error", err))
	}
}
