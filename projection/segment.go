package projection

import (
	"fmt"
	"hash/fnv"

	"github.com/carillon-go/carillon"
)

// maxSegments bounds how many parts a projection is split into.
const maxSegments = 256

// segment is one part of a projection's keys: those whose hash falls to its index.
type segment struct{ index, of int }

// whole is the only segment of a projection that is not split.
func whole() segment { return segment{of: 1} }

// segmentOf is the index of the segment that holds a key.
func segmentOf(key string, of int) int {
	if of == 1 {
		return 0
	}
	hash := fnv.New32a()
	hash.Write([]byte(key))
	return int(hash.Sum32() % uint32(of))
}

// holds reports whether a key belongs to the segment.
func (s segment) holds(key string) bool { return segmentOf(key, s.of) == s.index }

// segmented is a definition in parts.
type segmented struct {
	Definition
	segments int
}

// Segmented splits a projection or reactor by key into a number of segments, 1 to 256, each with a checkpoint of its own: processes that
// share a store share the segments out among themselves. Each segment reads the whole log and handles its own keys. What counts
// as key is the row's for a keyed projection and the event's for others. On a store for one process a projection stays in one piece.
// Another number of segments takes a rebuild. Default: 1.
func Segmented(segments int, definition Definition) Definition {
	return segmented{definition, segments}
}

// parts lists the segments of a definition on an engine's store.
func (e *Engine) parts(definition Definition) ([]segment, error) {
	split, ok := definition.(segmented)
	if !ok {
		return []segment{whole()}, nil
	}
	if split.segments < 1 || split.segments > maxSegments {
		return nil, carillon.Invalidf(fmt.Sprintf("projection %q", definition.Name()), "it has 1 to %d segments, not %d", maxSegments, split.segments)
	}
	if e.claims == nil {
		return []segment{whole()}, nil
	}
	parts := make([]segment, split.segments)
	for i := range parts {
		parts[i] = segment{index: i, of: split.segments}
	}
	return parts, nil
}

// worker makes the worker of one segment.
func (s segmented) worker(e *Engine, part segment) (worker, error) {
	return s.Definition.worker(e, part)
}
