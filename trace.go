package carillon

import "strings"

// Trace is W3C trace context (www.w3.org/TR/trace-context): the place in a trace that something comes of. The zero Trace is none.
type Trace struct {
	// Parent is the header traceparent, State the header tracestate.
	Parent, State string
}

// maxTraceState is the longest tracestate that is carried, in characters: what the standard asks everybody to carry at least.
const maxTraceState = 512

// maxTraceMembers is how many members a tracestate has at most.
const maxTraceMembers = 32

// ParseTrace returns trace context as it came from outside. What breaks the rules of the standard is left out, which is no error: a parent
// that is not valid takes the state with it, a state that is not valid or too long goes alone.
func ParseTrace(parent, state string) Trace {
	if !validTraceParent(parent) {
		return Trace{}
	}
	if !validTraceState(state) {
		state = ""
	}
	return Trace{Parent: parent, State: state}
}

// Trace returns the trace context a message carries.
func (m *Message) Trace() Trace { return Trace{Parent: m.TraceParent, State: m.TraceState} }

// SetTrace has the message carry trace context.
func (m *Message) SetTrace(t Trace) { m.TraceParent, m.TraceState = t.Parent, t.State }

// validTraceParent checks version-trace-parent-flags: lower-case hex of 2, 32, 16 and 2 digits. Later versions may go on behind.
func validTraceParent(text string) bool {
	const length = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	if len(text) < length || len(text) > MaxName {
		return false
	}
	version, trace, parent, flags := text[:2], text[3:35], text[36:52], text[53:55]
	dashes := text[2] == '-' && text[35] == '-' && text[52] == '-'
	if !dashes || !lowerHex(version) || !lowerHex(trace) || !lowerHex(parent) || !lowerHex(flags) {
		return false
	}
	ends := len(text) == length || version != "00" && text[length] == '-'
	return ends && version != "ff" && strings.Trim(trace, "0") != "" && strings.Trim(parent, "0") != "" && printableASCII(text)
}

func lowerHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || '9' < c) && (c < 'a' || 'f' < c) {
			return false
		}
	}
	return true
}

// validTraceState checks a list of key=value members.
func validTraceState(text string) bool {
	if len(text) > maxTraceState {
		return false
	}
	members := 0
	for member := range strings.SplitSeq(text, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, found := strings.Cut(member, "=")
		const keys = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@"
		plain := printableASCII(value) && strings.IndexByte(value, '=') < 0
		if members++; members > maxTraceMembers || !found || key == "" || value == "" || strings.Trim(key, keys) != "" || !plain {
			return false
		}
	}
	return true
}

func printableASCII(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}
