package carillon

import "fmt"

// Expect is the stream version an append expects. Its zero value says nothing and is refused for an append to a stream, so
// that nobody forgets it: say [NoStream], [Exactly] or [AnyVersion].
type Expect struct {
	mode    expectMode
	version int64
}

type expectMode uint8

const (
	expectUnset expectMode = iota
	expectVersion
	expectAny
)

// NoStream expects that the stream holds no event yet.
func NoStream() Expect { return Exactly(0) }

// Exactly expects that the stream's last event has this version.
func Exactly(version int64) Expect { return Expect{mode: expectVersion, version: version} }

// AnyVersion expects nothing: the events go behind whatever the stream holds.
func AnyVersion() Expect { return Expect{mode: expectAny} }

// Version gives the expected version; ok is false when any will do.
func (e Expect) Version() (version int64, ok bool) { return e.version, e.mode == expectVersion }

// IsSet reports whether the caller has said what is expected.
func (e Expect) IsSet() bool { return e.mode != expectUnset }

// String gives the expectation in words.
func (e Expect) String() string {
	switch {
	case e.mode == expectUnset:
		return "unset"
	case e.mode == expectAny:
		return "any version"
	case e.version == 0:
		return "no stream"
	default:
		return fmt.Sprintf("version %d", e.version)
	}
}

// Condition is the DCB guard: no event that matches Query stands after position After. After is exclusive, and it is the head
// of the log seen by the read the decision rests on ([Page.Through]), not the position of the last matching event.
type Condition struct {
	Query Query
	After Position
}

// CommandGuard makes an append happen once per command id: the same id with the same digest returns the original result, the
// same id with another digest is refused with [ErrCommandReused].
type CommandGuard struct {
	ID string
	// Digest is a fingerprint of the command's content. Left zero, the event log takes it from the events' types, tags and
	// payloads.
	Digest [16]byte
}
