package projection

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/eventlog"
)

// reactorWorker runs a reactor's handlers through a consumer, in order per key and side by side across keys, and flushes the checkpoint
// behind their effects.
type reactorWorker struct {
	seat

	reactor *Reactor
	release chan release

	mu      sync.Mutex
	state   State
	failing map[string]error // keys that are tried again, and why
}

// release asks the consumer that runs to release a key once unmark agrees.
type release struct {
	key    string
	unmark func(context.Context) error
	done   chan error
}

func (r *Reactor) worker(e *Engine, part segment) (worker, error) {
	if r.err != nil {
		return nil, r.err
	}
	return &reactorWorker{reactor: r, seat: newSeat(e, r.name, part), release: make(chan release), failing: make(map[string]error)}, nil
}

func (w *reactorWorker) prepare(*eventlog.Entry) {}

// start writes the first checkpoint of a reactor the store does not know.
func (w *reactorWorker) start(ctx context.Context) error {
	w.stored = -1
	w.parking.forget()
	begun, err := w.begun(ctx)
	if err != nil || begun {
		return err
	}
	at := w.reactor.start.at
	if w.reactor.start.head {
		if at, err = w.engine.log.Head(ctx); err != nil {
			return err
		}
	}
	return w.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		if w.part.of > 1 {
			if err := tx.Put([]carillon.Row{{Key: w.begunKey(), Value: []byte("begun")}}); err != nil {
				return err
			}
		}
		return tx.Advance(at)
	})
}

// begun reports whether the store knows the reactor, or this segment of it.
func (w *reactorWorker) begun(ctx context.Context) (bool, error) {
	if w.part.of > 1 {
		_, _, err := w.engine.store.ReadModels().Row(ctx, w.ref, w.begunKey())
		if errors.Is(err, carillon.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	models, err := w.engine.store.ReadModels().Models(ctx)
	return slices.ContainsFunc(models, func(model carillon.ModelInfo) bool { return model.Name == w.ref.Name }), err
}

// begunKey is the row that says that a segment has begun.
func (w *reactorWorker) begunKey() string {
	return fmt.Sprintf("segment %d of %d", w.part.index, w.part.of)
}

// run consumes from a position until the context ends, and says how it goes.
func (w *reactorWorker) run(ctx context.Context, from carillon.Position, progress *progress) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	w.stored = from
	parked := make([]string, 0, len(w.keys))
	for key := range w.keys {
		parked = append(parked, key)
	}
	options := []consume.Option{
		consume.After(from), consume.Parked(parked...), consume.WithLogger(w.engine.logger), consume.DrainLimit(drainLimit),
		consume.WithRandom(w.engine.chance.fork()),
	}
	if w.port == nil {
		options = append(options, consume.WithRetry(consume.Retry{Attempts: 1 << 30}))
	}
	consumer := consume.New(w.source(from, progress), w.handle(progress), w.committer(progress), options...)
	ended := make(chan struct{})
	releasing, stop := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		for {
			select {
			case r := <-w.release:
				r.done <- consumer.Release(releasing, r.key, r.unmark)
			case <-releasing.Done():
				return
			}
		}
	}()
	err := consumer.Run(ctx)
	stop()
	<-ended
	return err
}

// source yields the events that the reactor handles.
func (w *reactorWorker) source(from carillon.Position, progress *progress) consume.Source[*eventlog.Entry] {
	return func(ctx context.Context) iter.Seq2[consume.Batch[*eventlog.Entry], error] {
		return func(yield func(consume.Batch[*eventlog.Entry], error) bool) {
			for batch, err := range w.engine.log.Follow(ctx, from) {
				if err != nil {
					yield(consume.Batch[*eventlog.Entry]{}, err)
					return
				}
				next := consume.Batch[*eventlog.Entry]{Through: batch.Through}
				for i := range batch.Entries {
					entry := &batch.Entries[i]
					_, handled := w.reactor.handlers[entry.Type]
					if handled && w.part.holds(entityKey(entry.Recorded)) || !handled && w.nobodyKnows(entry.Recorded) != nil {
						next.Deliveries = append(next.Deliveries, consume.Delivery[*eventlog.Entry]{
							Position: entry.Position, Key: w.key(entry.Recorded), Value: entry,
						})
					}
				}
				w.mu.Lock()
				w.state = CatchingUp
				if batch.CaughtUp {
					w.state = Live
				}
				w.show(progress)
				w.mu.Unlock()
				if !yield(next, nil) {
					return
				}
			}
		}
	}
}

// handle calls the handler of an event, and keeps count of the keys that fail.
func (w *reactorWorker) handle(progress *progress) consume.Handler[*eventlog.Entry] {
	return func(ctx context.Context, entry *eventlog.Entry) error {
		err := w.observed(ctx, entry)
		if ctx.Err() == nil {
			w.note(w.key(entry.Recorded), err, progress)
		}
		return err
	}
}

// note takes down how a key fares, or with an empty key the store.
func (w *reactorWorker) note(key string, failure error, progress *progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, failed := w.failing[key]; failure == nil && !failed {
		return
	}
	if failure != nil {
		w.failing[key] = failure
	} else {
		delete(w.failing, key)
	}
	w.show(progress)
}

// show tells the state, with one of the failures if there are any; the caller holds the lock.
func (w *reactorWorker) show(progress *progress) {
	for _, failure := range w.failing {
		progress.enter(Failing, failure)
		return
	}
	progress.enter(w.state, nil)
}

// committer flushes the checkpoint and what is to be parked.
func (w *reactorWorker) committer(progress *progress) consume.Committer[*eventlog.Entry] {
	return func(ctx context.Context, commit consume.Commit[*eventlog.Entry]) error {
		if commit.Deliveries == 0 && len(commit.Letters) == 0 && w.idle(commit.Through, true) {
			progress.reach(commit.Through, time.Now())
			return nil
		}
		letters := make([]carillon.DeadLetter, len(commit.Letters))
		for i := range commit.Letters {
			letters[i] = w.letter(&commit.Letters[i])
		}
		err := w.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			if len(letters) > 0 {
				parks, err := parkingTx(tx)
				if err != nil {
					return err
				}
				if err := parks.Park(letters); err != nil {
					return err
				}
			}
			return tx.Advance(commit.Through)
		})
		if errors.Is(err, carillon.ErrLeaseLost) {
			return consume.Permanent(err)
		}
		if err != nil {
			w.note("", err, progress)
			return err
		}
		for i := range letters {
			w.note(letters[i].Key, nil, progress)
		}
		w.note("", nil, progress)
		w.committed(commit.Through)
		progress.reach(commit.Through, time.Now())
		return nil
	}
}

func (w *reactorWorker) letter(l *consume.Letter[*eventlog.Entry]) carillon.DeadLetter {
	event := l.Delivery.Value
	letter := carillon.DeadLetter{
		Consumer: w.consumer, Key: w.key(event.Recorded), Position: event.Position, Attempts: l.Attempts, Cause: behindCause,
	}
	if l.Attempts > 0 {
		letter.Cause, letter.First, letter.Last = l.Cause.Error(), l.First.UTC(), l.Last.UTC()
	}
	var panicked *panicError
	if errors.As(l.Cause, &panicked) {
		letter.Stack = panicked.stack
	}
	return letter
}

// retry handles the letters of a key in order until one fails. The key is released once its list is empty, with no event between that
// could overtake another.
func (w *reactorWorker) retry(ctx context.Context, key string, _ carillon.Position) error {
	for {
		letter, entry, err := w.first(ctx, w.engine.log, key)
		if err != nil {
			return err
		}
		if letter == nil {
			done := make(chan error, 1)
			select {
			case w.release <- release{key: key, unmark: func(ctx context.Context) error { return w.empty(ctx, key) }, done: done}:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := <-done; !errors.Is(err, errParkedSince) {
				return err
			}
			continue
		}
		err = w.observed(ctx, entry)
		if err == nil {
			err = w.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error { return w.unpark(tx, letter) })
			if err != nil && !errors.Is(err, errGone) {
				return err
			}
			continue
		}
		if !w.takes(ctx, err) {
			return err
		}
		p := newParking(w.engine, w.ref.Name, w.part)
		p.keys = make(map[string]bool)
		p.park(entry.Recorded, err, letter)
		w.engine.logger.Error("retry failed", slog.String("reactor", w.reactor.name), slog.String("key", key), slog.Any("error", err))
		err = w.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error { return p.fail(tx, key) })
		if !errors.Is(err, errGone) {
			return err
		}
	}
}

// errParkedSince: an event was parked after the list of its key was found empty.
var errParkedSince = errors.New("parked since")

// empty fails unless a key has no letters.
func (w *reactorWorker) empty(ctx context.Context, key string) error {
	letter, _, err := w.first(ctx, w.engine.log, key)
	if err == nil && letter != nil {
		err = errParkedSince
	}
	return err
}

// attempt calls the handler of an event, if it has one; its panic is its failure.
func (w *reactorWorker) attempt(ctx context.Context, entry *eventlog.Entry) (err error) {
	defer func() {
		if panicked := recovered(recover()); panicked != nil {
			err = fmt.Errorf("handler %w", panicked)
		}
		if err != nil {
			err = fmt.Errorf("event %q at position %d: %w", entry.Type, entry.Position, err)
		}
	}()
	handle, ok := w.reactor.handlers[entry.Type]
	if ok {
		return handle(ctx, w.engine.codec, entry)
	}
	if unknown := w.nobodyKnows(entry.Recorded); unknown != nil {
		return consume.Permanent(unknown)
	}
	return nil
}

// apply is not called: a reactor runs by itself.
func (w *reactorWorker) apply(_ context.Context, _ eventlog.Batch, from carillon.Position) (carillon.Position, error) {
	return from, fmt.Errorf("a reactor takes no batches: %w", carillon.ErrUnsupported)
}

func (w *reactorWorker) rebuild(context.Context, func(), rebuilding) (carillon.Position, error) {
	return 0, fmt.Errorf("a reactor has side effects and is never replayed: %w", carillon.ErrUnsupported)
}
