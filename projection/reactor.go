package projection

import (
	"context"
	"fmt"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/eventlog"
)

// Start is where a reactor begins that has never run. It has no default: mails for ten years of orders are sent on purpose or
// not at all.
type Start struct {
	set  bool
	head bool
	at   carillon.Position
}

// FromNow begins with the first event after the reactor's first start.
func FromNow() Start { return Start{set: true, head: true} }

// FromBeginning begins with the first event of the log.
func FromBeginning() Start { return Start{set: true} }

// After begins behind a position, which is 0 or more.
func After(position carillon.Position) Start { return Start{set: true, at: position} }

// Reactor is the definition of a reactor.
type Reactor struct {
	name     string
	start    Start
	handlers map[string]effect
	err      error
}

type effect func(context.Context, carillon.Codec, *eventlog.Entry) error

// ReactorPart is one piece of a reactor's definition.
type ReactorPart func(*Reactor)

// React defines a reactor: handlers with side effects, called with each event at least once, in order for each key and side by side for
// different ones. A handler that returns an error is called again, five times in all with growing pauses, while the later events of
// its key wait. After that the event is parked as a dead letter, and the later events of its key behind it, until [Engine.Retry] or the
// next start of the program. On a store that parks nothing it is tried without end.
func React(name string, start Start, parts ...ReactorPart) *Reactor {
	r := &Reactor{name: name, start: start, handlers: make(map[string]effect)}
	switch err := carillon.CheckType(name); {
	case err != nil:
		r.err = fmt.Errorf("reactor %q: %w", name, err)
	case !start.set:
		r.err = carillon.Invalidf(fmt.Sprintf("reactor %q", name), "it says where it starts: FromNow, FromBeginning or After")
	case start.at < 0:
		r.err = carillon.Invalidf(fmt.Sprintf("reactor %q", name), "it starts after a position of the log, not %d", start.at)
	}
	for _, part := range parts {
		part(r)
	}
	if len(r.handlers) == 0 && r.err == nil {
		r.err = carillon.Invalidf(fmt.Sprintf("reactor %q", name), "it handles at least one event type, see Handle")
	}
	return r
}

// Handle registers the handler of an event type. at is where the event stands; its position identifies the event to whoever the
// effect reaches, so that a repeated one can be told.
func Handle[E any](event string, handle func(ctx context.Context, at carillon.Recorded, e E) error) ReactorPart {
	return func(r *Reactor) {
		if _, taken := r.handlers[event]; taken && r.err == nil {
			r.err = carillon.Invalidf(fmt.Sprintf("reactor %q", r.name), "event %q is handled twice", event)
		}
		r.handlers[event] = func(ctx context.Context, codec carillon.Codec, entry *eventlog.Entry) error {
			e, err := eventlog.Decode[E](codec, entry)
			if err != nil {
				return consume.Permanent(err) // it will never be decoded as long as this program runs
			}
			return handle(ctx, *entry.Recorded, e)
		}
	}
}

// Name returns the reactor's name.
func (r *Reactor) Name() string { return r.name }

// Describe describes the reactor.
func (r *Reactor) Describe() carillon.Description {
	description := carillon.Description{Kind: "reactor", Name: r.name}
	for event := range r.handlers {
		description.Accepts = append(description.Accepts, event)
	}
	slices.Sort(description.Accepts)
	return description
}
