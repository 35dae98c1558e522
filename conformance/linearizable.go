package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/carillon-go/carillon"
)

const (
	// clients is how many call the log at a time.
	clients = 10
	// patience is how long the search for an order may take. One that exists is found in a fraction of a second.
	patience = time.Minute
)

// checkLinearizable lets clients call the log at the same time and wants one order of all calls that explains every answer: each
// call took place at one moment between its begin and its end. The search is porcupine's.
func checkLinearizable(ctx context.Context, s *subject) error {
	for i := range s.sizes.ConcurrentHistories {
		if i > 0 {
			if err := s.store.Close(); err != nil {
				return fmt.Errorf("close the store: %w", err)
			}
			if err := s.use(ctx, s.open(s.t)); err != nil {
				return err
			}
		}
		operations, err := s.record(ctx, s.sizes.ConcurrentCalls)
		if err == nil {
			err = linearize(operations)
		}
		if err != nil {
			return fmt.Errorf("concurrent history %d: %w", i+1, err)
		}
	}
	return nil
}

// record lets clients call the log and returns what they saw. In the end the log is read from its beginning, so that an append
// that was acknowledged must be there.
func (s *subject) record(ctx context.Context, calls int) ([]porcupine.Operation, error) {
	var clock atomic.Int64
	seeds := s.random.Uint64()
	all := make([]*client, clients)
	running, runningCtx := newGroup(ctx)
	for i := range all {
		all[i] = newClient(s, i, seeds+uint64(i), &clock)
		share := (calls + clients - 1 - i) / clients
		running.start(func() error { return all[i].run(runningCtx, share) })
	}
	if err := running.wait(); err != nil {
		return nil, err
	}
	// Settles appends whose outcome is unknown.
	if _, err := s.log.Append(ctx, nil); err != nil {
		return nil, fmt.Errorf("append an empty batch: %w", err)
	}
	settled := clock.Add(1)
	last := newClient(s, clients, seeds, &clock)
	places, err := last.readAll(ctx)
	if err != nil {
		return nil, err
	}
	operations := last.seen
	var unknown []porcupine.Operation
	for _, c := range all {
		operations = append(operations, c.seen...)
		unknown = append(unknown, c.unknown...)
	}
	return append(operations, settle(unknown, operations, places, settled)...), nil
}

// settle leaves the batches of unknown outcome that took place. The first append that was handed over later and answered without
// an error, the last at the time of settled, is when they had.
func settle(unknown, operations []porcupine.Operation, places map[string]carillon.Position, settled int64) []porcupine.Operation {
	var there []porcupine.Operation
	for _, late := range unknown {
		if !late.Input.(*unknownSeen).place(places) {
			continue
		}
		known := settled
		for _, operation := range operations {
			if _, isAppend := operation.Input.(*appendSeen); isAppend && operation.Call > late.Return {
				known = min(known, operation.Return)
			}
		}
		late.Return = known
		there = append(there, late)
	}
	return there
}

// readAll reads the log from its beginning and returns where each event stands, by id.
func (c *client) readAll(ctx context.Context) (map[string]carillon.Position, error) {
	places := make(map[string]carillon.Position)
	for seen := (&pageSeen{page: carillon.Page{More: true}}); seen.page.More; {
		next := &pageSeen{after: seen.page.Through, limit: 1000}
		err := c.note(func() (_ observation, err error) {
			next.page, err = readPage(ctx, c.log, next.query, next.after, next.limit)
			return next, err
		})
		if err != nil {
			return nil, err
		}
		for i := range next.page.Events {
			places[next.page.Events[i].ID] = next.page.Events[i].Position
		}
		seen = next
	}
	return places, nil
}

// place finds the appends of a batch in the log. It reports false when nothing of it is there: then it is as if it had never
// been handed over.
func (o *unknownSeen) place(places map[string]carillon.Position) bool {
	there := false
	for i := range o.batch {
		o.first[i] = places[o.batch[i].Events[0].ID]
		there = there || o.first[i] > 0
	}
	return there
}

// linearize looks for the order.
func linearize(operations []porcupine.Operation) error {
	switch porcupine.CheckOperationsTimeout(pastModel(), operations, patience) {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return fmt.Errorf("no order of the %d calls explains their answers: %s", len(operations), stuck(operations))
	default:
		return fmt.Errorf("no order of the %d calls was found in %s, and it is not known whether there is one", len(operations), patience)
	}
}

// pastModel is the log as porcupine wants to hear of it.
func pastModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return newPast() },
		Step: func(state, input, _ any) (bool, any) {
			next := input.(observation).follow(state.(*past))
			return next != nil, next
		},
		Hash: func(state any) uint64 { return state.(*past).number * 0x9e3779b97f4a7c15 },
	}
}

// stuck describes where the longest order ends: the calls of which none can be next.
func stuck(operations []porcupine.Operation) string {
	_, info := porcupine.CheckOperationsVerbose(pastModel(), operations, patience)
	var longest []porcupine.Operation
	for _, partial := range info.PartialLinearizationsOperations()[0] {
		if len(partial) > len(longest) {
			longest = partial
		}
	}
	var rest []porcupine.Operation
	firstReturn := int64(0)
	for _, operation := range operations {
		placed := func(other porcupine.Operation) bool { return other.Input == operation.Input }
		if slices.ContainsFunc(longest, placed) {
			continue
		}
		rest = append(rest, operation)
		if firstReturn == 0 || operation.Return < firstReturn {
			firstReturn = operation.Return
		}
	}
	var words []string
	for _, operation := range rest {
		if operation.Call < firstReturn && len(words) < 6 {
			words = append(words, fmt.Sprintf("client %d: %v", operation.ClientId+1, operation.Input))
		}
	}
	at := newPast()
	for _, operation := range longest {
		at = operation.Input.(observation).follow(at)
	}
	return fmt.Sprintf("%d of them can be ordered, up to head %d, then none of these can be next:\n  %s",
		len(longest), at.head(), strings.Join(words, "\n  "))
}
