package conformance

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/carillon-go/carillon"
)

// rareTag is on few events, so that a query may have to look far back.
const rareTag carillon.Tag = "recall:yes"

// generator makes random appends about few streams, types and tags, so that they get in each other's way. The same seed makes
// the same appends.
type generator struct {
	subject *subject
	random  *rand.Rand

	streams  []string
	types    []string
	tags     []carillon.Tag
	commands []string

	// What the log holds, as far as the generator has been told: it makes guards that have a fair chance to hold.
	head     carillon.Position
	versions map[string]int64
}

func newGenerator(s *subject, seed uint64) *generator {
	return &generator{
		subject:  s,
		random:   rand.New(rand.NewPCG(seed, 0)),
		streams:  []string{"cart-1", "cart-2", "stock-1"},
		types:    []string{"cart.filled", "cart.paid", "stock.moved"},
		tags:     []carillon.Tag{"cart:1", "cart:2", "item:1", "item:2", rareTag},
		commands: []string{"command-1", "command-2", "command-3", "command-4"},
		versions: make(map[string]int64),
	}
}

// chance is true in so many of a hundred cases.
func (g *generator) chance(percent int) bool { return g.random.IntN(100) < percent }

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// some picks each of a slice with even odds.
func some[T any](random *rand.Rand, from []T) []T {
	var picked []T
	for _, one := range from {
		if random.IntN(2) == 0 {
			picked = append(picked, one)
		}
	}
	return picked
}

// batch makes a batch of at most limit appends.
func (g *generator) batch(limit int) []carillon.Append {
	batch := make([]carillon.Append, 1+g.random.IntN(limit))
	for i := range batch {
		batch[i] = g.append()
	}
	return batch
}

func (g *generator) append() carillon.Append {
	count := 1 + g.random.IntN(3)
	if g.chance(5) {
		count += g.random.IntN(30)
	}
	a := carillon.Append{Events: make([]carillon.Message, count)}
	for i := range a.Events {
		a.Events[i] = g.event()
	}
	if g.chance(60) {
		a.Stream = pick(g.random, g.streams)
		a.Expect = g.expect(a.Stream)
		if g.chance(60) {
			g.versions[a.Stream] += int64(count)
		}
	}
	if g.chance(45) {
		after := g.head
		if g.chance(40) {
			after = max(0, g.head-carillon.Position(g.random.IntN(12)))
		} else if g.chance(30) {
			after = carillon.Position(g.random.Int64N(int64(g.head) + 1))
		}
		a = unless(a, randomQuery(g.random, g.types, g.tags), after)
	}
	if g.chance(25) {
		a = once(a, pick(g.random, g.commands), byte(g.random.IntN(5)/4))
	}
	return a
}

func (g *generator) expect(stream string) carillon.Expect {
	version := g.versions[stream]
	switch {
	case g.chance(30):
		return carillon.AnyVersion()
	case g.chance(75):
		return carillon.Exactly(version)
	default:
		return carillon.Exactly(max(0, version+int64(g.random.IntN(5))-3))
	}
}

func (g *generator) event() carillon.Message {
	tags := some(g.random, g.tags)
	if !g.chance(10) {
		tags = slices.DeleteFunc(tags, func(tag carillon.Tag) bool { return tag == rareTag })
	}
	event := g.subject.event(pick(g.random, g.types), tags...)
	if g.chance(20) {
		event.SchemaVersion = 1 + g.random.IntN(9)
		event.Key = pick(g.random, g.streams)
		event.CorrelationID = "conversation-" + event.ID
		event.CausationID = "cause-" + event.ID
		event.Tenant = pick(g.random, []string{"north", "süd"})
		event.Headers = map[string]string{"attempt": fmt.Sprint(g.random.IntN(3)), "note": string(rune(0x20 + g.random.IntN(0x2000)))}
		event.Payload = make([]byte, g.random.IntN(200))
		for i := range event.Payload {
			event.Payload[i] = byte(g.random.Uint32())
		}
	}
	return event
}

// randomQuery makes a query that any log takes. Most are narrow, for those that match everything tell little.
func randomQuery(random *rand.Rand, types []string, tags []carillon.Tag) carillon.Query {
	if random.IntN(20) == 0 {
		return carillon.AllEvents()
	}
	query := carillon.Query{Items: make([]carillon.Item, 1+random.IntN(5)/3)}
	for i := range query.Items {
		item := &query.Items[i]
		for len(item.Types) == 0 && len(item.Tags) == 0 {
			item.Types, item.Tags = few(random, types), few(random, tags)
		}
	}
	return query
}

// few picks none, one, or some of a slice.
func few[T any](random *rand.Rand, from []T) []T {
	switch random.IntN(5) {
	case 0, 1:
		return nil
	case 2, 3:
		return []T{pick(random, from)}
	default:
		return some(random, from)
	}
}
