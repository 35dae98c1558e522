package carillon

import "slices"

// Query says which events: those that match any of its items. A query without items matches every event.
// The rule is that of the DCB specification (dcb.events/specification).
type Query struct {
	Items []Item
}

// Item matches an event whose type is one of Types (none means any type) and that carries all of Tags (none means any).
type Item struct {
	Types []string
	Tags  []Tag
}

// AllEvents is the query every event matches.
func AllEvents() Query { return Query{} }

// ByTypes matches events of any of the types.
func ByTypes(types ...string) Query { return Query{Items: []Item{{Types: types}}} }

// ByTags matches events that carry all of the tags.
func ByTags(tags ...Tag) Query { return Query{Items: []Item{{Tags: tags}}} }

// Matches reports whether an event of this type with these tags is one the query asks for.
func (q Query) Matches(typ string, tags []Tag) bool {
	if len(q.Items) == 0 {
		return true
	}
	return slices.ContainsFunc(q.Items, func(item Item) bool { return item.matches(typ, tags) })
}

func (i Item) matches(typ string, tags []Tag) bool {
	if len(i.Types) > 0 && !slices.Contains(i.Types, typ) {
		return false
	}
	for _, want := range i.Tags {
		if !slices.Contains(tags, want) {
			return false
		}
	}
	return true
}
