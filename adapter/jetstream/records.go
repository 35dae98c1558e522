package jetstream

import (
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// member is what a consumer writes of itself while it lives.
type member struct {
	// Consumer is the name it was given.
	Consumer string `json:"consumer"`
	// TTL is how long others wait for the next sign of life, in milliseconds.
	TTL int64 `json:"ttl"`
	// Resting says that it let a deadline pass: it wants no partitions for now.
	Resting bool `json:"resting,omitempty"`
	// Positions are those of the partitions it owns.
	Positions map[int]position `json:"positions,omitempty"`

	revision uint64
	heard    time.Time
}

func (m member) ttl() time.Duration { return time.Duration(m.TTL) * time.Millisecond }

func (m member) alive(now time.Time) bool { return now.Sub(m.heard) <= m.ttl() }

// claim says who owns a partition, and where its ownership began, or where the last owner came to.
type claim struct {
	// Owner is a member, or empty.
	Owner    string   `json:"owner,omitempty"`
	Position position `json:"position"`

	revision uint64
}

func parseMember(entry jetstream.KeyValueEntry, heard time.Time) (member, error) {
	m := member{revision: entry.Revision(), heard: heard}
	return m, json.Unmarshal(entry.Value(), &m)
}

func parseClaim(entry jetstream.KeyValueEntry) (claim, error) {
	c := claim{revision: entry.Revision()}
	return c, json.Unmarshal(entry.Value(), &c)
}

// standing is how far a partition of a subscription has come by what its owner, if it has one, wrote last.
func standing(c claim, ok bool, members map[string]member, number int, first position) position {
	at := first
	if ok && c.Position.Stream == first.Stream {
		at = c.Position
	}
	if written, ok := members[c.Owner].Positions[number]; ok && written.Stream == at.Stream && written.Floor >= at.Floor {
		at = written
	}
	return at
}
