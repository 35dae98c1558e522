package consume_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// store is where a consumer of these tests commits to. It keeps what the last commit said and every letter.
type store struct {
	mu         sync.Mutex
	checkpoint carillon.Position
	commits    int
	deliveries int
	letters    []consume.Letter[string]
	// before is called ahead of each commit, whose number counts from 1; its error is the commit's.
	before func(ctx context.Context, number int) error
}

func (s *store) commit(ctx context.Context, commit consume.Commit[string]) error {
	s.mu.Lock()
	s.commits++
	number := s.commits
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(ctx, number); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if commit.Through < s.checkpoint {
		return consume.Permanent(errors.New("the checkpoint goes back"))
	}
	s.checkpoint = commit.Through
	s.deliveries += commit.Deliveries
	s.letters = append(s.letters, commit.Letters...)
	return nil
}

// at returns the checkpoint and the values of the letters.
func (s *store) at() (carillon.Position, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var values []string
	for _, letter := range s.letters {
		values = append(values, letter.Delivery.Value)
	}
	return s.checkpoint, values
}

// deliver makes deliveries of values after a position. The key of a value is its first letter; that of "-" is empty.
func deliver(after carillon.Position, values ...string) consume.Batch[string] {
	var batch consume.Batch[string]
	for _, value := range values {
		after++
		key := value[:1]
		if key == "-" {
			key = ""
		}
		batch.Deliveries = append(batch.Deliveries, consume.Delivery[string]{Position: after, Key: key, Value: value})
	}
	batch.Through = after
	return batch
}

// finite is a source that ends.
func finite(batches ...consume.Batch[string]) consume.Source[string] {
	return func(context.Context) iter.Seq2[consume.Batch[string], error] {
		return func(yield func(consume.Batch[string], error) bool) {
			for _, batch := range batches {
				if !yield(batch, nil) {
					return
				}
			}
		}
	}
}

// endless is a source that waits for more when its batches are used up.
func endless(batches ...consume.Batch[string]) consume.Source[string] {
	return func(ctx context.Context) iter.Seq2[consume.Batch[string], error] {
		return func(yield func(consume.Batch[string], error) bool) {
			for batch, err := range finite(batches...)(ctx) {
				if !yield(batch, err) {
					return
				}
			}
			<-ctx.Done()
			yield(consume.Batch[string]{}, ctx.Err())
		}
	}
}

// pause waits in the bubble's time, or until the context ends.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// running runs a consumer in the background of a bubble.
type running struct {
	stop  context.CancelFunc
	ended chan error
	start time.Time
}

func run[T any](t *testing.T, c *consume.Consumer[T]) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, ended: make(chan error, 1), start: time.Now()}
	go func() { r.ended <- c.Run(ctx) }()
	return r
}

// wait lets a while pass and everything come to rest.
func (r *running) wait(t *testing.T, while time.Duration) {
	t.Helper()
	if err := pause(t.Context(), while); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// end waits for Run, and returns its error and how long it has run.
func (r *running) end() (time.Duration, error) {
	err := <-r.ended
	r.stop()
	return time.Since(r.start), err
}

// journal notes what is handled, and when.
type journal struct {
	mu    sync.Mutex
	start time.Time
	seen  map[string][]time.Duration
	order []string
}

func newJournal() *journal {
	return &journal{start: time.Now(), seen: make(map[string][]time.Duration)}
}

func (j *journal) note(value string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen[value] = append(j.seen[value], time.Since(j.start))
	j.order = append(j.order, value)
	return len(j.seen[value])
}

// of returns when a value was handled, and how often.
func (j *journal) of(value string) []time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seen[value]
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.order)
}
