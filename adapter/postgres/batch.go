package postgres

import (
	"slices"

	"github.com/google/uuid"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

// batch lays out appends as the arrays that the append function takes. Their prefixes are explained there.
type batch struct {
	appends []carillon.Append

	plain         bool // nothing in it depends on anything else in it
	sExpect       []int64
	sNext         []int64 // the version a stream has after the appends so far
	eVersion      []int64
	streams       []string
	aStream       []int32
	aExpect       []int64
	cID           []string
	aCommand      []int32
	aDigest       [][]byte
	aAfter        []int64
	aEverything   []bool
	bAppend       []int32
	bEvent        []int32
	ranges        ranges
	eAppend       []int32
	eStream       []string
	eType         []int32
	eID           [][]byte
	eTime         []int64
	eMetadata     [][]byte
	ePayload      [][]byte
	tEvent        []int32
	tTag          []string
	metadataBytes []byte
}

// ranges are the stretches of the indexes that conditions search, as in the append function.
type ranges struct {
	append_            []int32
	tag                []string
	typ                []int32
	restFrom, restTo   []int32
	rest               []string
	typesFrom, typesTo []int32
	types              []int32
}

// newTypes are the types of the appends' events, and those their conditions ask for, that have no known numbers. All must have numbers:
// another process may append the first event of a type at any moment.
func (s *Store) newTypes(appends []carillon.Append) (unknown []string) {
	meet := func(typ string) {
		if s.names.id(typ) == 0 && !slices.Contains(unknown, typ) {
			unknown = append(unknown, typ)
		}
	}
	for i := range appends {
		for j := range appends[i].Events {
			meet(appends[i].Events[j].Type)
		}
		if condition := appends[i].Condition; condition != nil {
			for _, item := range condition.Query.Items {
				for _, typ := range item.Types {
					meet(typ)
				}
			}
		}
	}
	return unknown
}

// arguments are those of the append function. The numbers of the batch's types are known by now.
func (b *batch) arguments(session uuid.UUID, number int64, givenUp []int64, names *typeNames) []any {
	streams, commands := make(map[string]int32), make(map[string]int32)
	b.plain = len(givenUp) == 0
	for i := range b.appends {
		a := &b.appends[i]
		b.aStream = append(b.aStream, numbered(streams, &b.streams, a.Stream))
		expect, ok := a.Expect.Version()
		if !ok {
			expect = -1
		}
		b.aExpect = append(b.aExpect, expect)
		version := b.follow(b.aStream[i], expect, int64(len(a.Events)))
		command, digest := int32(0), []byte{}
		if a.Command != nil {
			command, digest = numbered(commands, &b.cID, a.Command.ID), a.Command.Digest[:]
		}
		b.aCommand, b.aDigest = append(b.aCommand, command), append(b.aDigest, digest)
		b.condition(int32(i+1), a.Condition, names)
		for j := range a.Events {
			b.event(int32(i+1), a.Stream, &a.Events[j], names)
			if version >= 0 {
				version++
			}
			b.eVersion = append(b.eVersion, max(version, 0))
		}
		b.plain = b.plain && a.Command == nil && len(a.Events) > 0
	}
	b.plain = b.plain && len(b.bAppend) == 0 && !slices.Contains(b.aEverything, true)
	if !b.plain {
		b.sExpect, b.eVersion = nil, nil
	}
	r := &b.ranges
	return []any{
		session, number, filled(givenUp),
		filled(b.streams), filled(b.sExpect), filled(b.eVersion), filled(b.aStream), filled(b.aExpect),
		filled(b.cID), filled(b.aCommand), filled(b.aDigest),
		filled(b.aAfter), filled(b.aEverything), filled(b.bAppend), filled(b.bEvent),
		filled(r.append_), filled(r.tag), filled(r.typ), filled(r.restFrom), filled(r.restTo), filled(r.rest),
		filled(r.typesFrom), filled(r.typesTo), filled(r.types),
		filled(b.eAppend), filled(b.eStream), filled(b.eType), filled(b.eID), filled(b.eTime), filled(b.eMetadata), filled(b.ePayload),
		filled(b.tEvent), filled(b.tTag),
	}
}

// follow takes note of the version an append expects of a stream, and returns it; -1 for no stream. The batch is not plain if the version
// is any, or another than the appends before it lead to.
func (b *batch) follow(stream int32, expect, events int64) int64 {
	switch {
	case stream == 0:
		return -1
	case expect < 0:
		b.plain = false
	case int(stream) > len(b.sNext):
		b.sExpect, b.sNext = append(b.sExpect, expect), append(b.sNext, expect+events)
	default:
		b.plain = b.plain && b.sNext[stream-1] == expect
		b.sNext[stream-1] += events
	}
	return expect
}

// filled is a slice that is not NULL in SQL.
func filled[E any](slice []E) []E {
	if slice == nil {
		return []E{}
	}
	return slice
}

// numbered returns the place of a name among those met so far, from 1, 0 for an empty one.
func numbered(places map[string]int32, names *[]string, name string) int32 {
	if name == "" {
		return 0
	}
	place, ok := places[name]
	if !ok {
		*names = append(*names, name)
		place = int32(len(*names))
		places[name] = place
	}
	return place
}

// event adds an event and its tags.
func (b *batch) event(of int32, stream string, event *carillon.Message, names *typeNames) {
	start := len(b.metadataBytes)
	b.metadataBytes = envelope.Append(b.metadataBytes, event)
	var metadata []byte
	if len(b.metadataBytes) > start {
		metadata = b.metadataBytes[start:len(b.metadataBytes):len(b.metadataBytes)]
	}
	payload := event.Payload
	if payload == nil {
		payload = []byte{}
	}
	b.eAppend, b.eStream = append(b.eAppend, of), append(b.eStream, stream)
	b.eType, b.eID = append(b.eType, names.id(event.Type)), append(b.eID, storedID(event.ID))
	b.eTime = append(b.eTime, event.Time.UnixMicro())
	b.eMetadata, b.ePayload = append(b.eMetadata, metadata), append(b.ePayload, payload)
	for _, tag := range event.Tags {
		b.tEvent, b.tTag = append(b.tEvent, int32(len(b.eAppend))), append(b.tTag, string(tag))
	}
}

// condition adds what an append's condition searches in the log, and the events before it in the batch that would break it.
func (b *batch) condition(of int32, condition *carillon.Condition, names *typeNames) {
	if condition == nil {
		b.aAfter, b.aEverything = append(b.aAfter, -1), append(b.aEverything, false)
		return
	}
	everything := len(condition.Query.Items) == 0
	b.aAfter, b.aEverything = append(b.aAfter, max(int64(condition.After), 0)), append(b.aEverything, everything)
	if everything {
		return
	}
	for _, item := range condition.Query.Items {
		b.ranges.add(of, item, names)
	}
	event := int32(0)
	for i := range of - 1 {
		for j := range b.appends[i].Events {
			event++
			earlier := &b.appends[i].Events[j]
			if condition.Query.Matches(earlier.Type, earlier.Tags) {
				b.bAppend, b.bEvent = append(b.bAppend, of), append(b.bEvent, event)
			}
		}
	}
}

// add adds the ranges of one item: that of its first tag, or one for each of its types.
func (r *ranges) add(of int32, item carillon.Item, names *typeNames) {
	restFrom, typesFrom := len(r.rest)+1, len(r.types)+1
	types := make([]int32, len(item.Types))
	for i, name := range item.Types {
		types[i] = names.id(name)
	}
	one := func(tag string, typ int32) {
		r.append_, r.tag, r.typ = append(r.append_, of), append(r.tag, tag), append(r.typ, typ)
		r.restFrom, r.restTo = append(r.restFrom, int32(restFrom)), append(r.restTo, int32(len(r.rest)))
		r.typesFrom, r.typesTo = append(r.typesFrom, int32(typesFrom)), append(r.typesTo, int32(len(r.types)))
	}
	if len(item.Tags) == 0 {
		for _, typ := range types {
			one("", typ)
		}
		return
	}
	r.types = append(r.types, types...)
	for _, tag := range item.Tags[1:] {
		r.rest = append(r.rest, string(tag))
	}
	one(string(item.Tags[0]), 0)
}
