package carillon

// Event is a fact as a decision returns it: a value of a registered Go type. An event that takes part in a boundary across
// streams also has a method Tags, see [Tagger].
type Event any

// Events makes a slice of events, so that a decision reads as a sentence.
func Events(events ...Event) []Event { return events }

// Position is an event's place in the log: 1 for the first, without gaps, in the order of commits. It means something only to
// the log that gave it; 0 stands before the first event.
type Position int64

// Recorded is an event as the log returns it.
type Recorded struct {
	Message
	Position Position
	// Stream is the stream the event belongs to, empty when it belongs to none.
	Stream string
	// Version is the event's place in its stream: 1 for the first, without gaps; 0 without a stream.
	Version int64
}
