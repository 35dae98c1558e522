package sqlite

import (
	"errors"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// maxMembers is the most index ranges one statement merges; SQLite allows 500 members of a compound.
const maxMembers = 200

// search is a query compiled to positions: the sorted union of index ranges, one for each item's rarest handle.
type search struct {
	everything bool
	tooWide    bool // too many ranges for one statement: scan and match instead
	text       string
	query      carillon.Query
	members    []member
}

// member is one range: the events with a first tag, further tags and any of some types, or the events of one type.
type member struct {
	tags  []carillon.Tag
	types []int64
}

// compile turns a query into a search. Types that no event has had drop out, and items with them.
func compile(conn *connection, names *typeNames, query carillon.Query) (search, error) {
	s := search{query: query, everything: len(query.Items) == 0}
	for _, item := range query.Items {
		types := make([]int64, 0, len(item.Types))
		for _, name := range item.Types {
			id, err := names.id(conn, name)
			if err != nil {
				return search{}, err
			}
			if id > 0 {
				types = append(types, id)
			}
		}
		switch {
		case len(item.Types) > 0 && len(types) == 0:
		case len(item.Tags) > 0:
			s.members = append(s.members, member{tags: item.Tags, types: types})
		default:
			for _, typ := range types {
				s.members = append(s.members, member{types: []int64{typ}})
			}
		}
	}
	s.tooWide = len(s.members) > maxMembers
	s.text = s.compose()
	return s, nil
}

// nothing reports that no event can match.
func (s *search) nothing() bool { return !s.everything && len(s.members) == 0 }

// compose is the compound select of the positions, in order, each once. Parameters: for each member after, to, its tags and
// types; then the limit.
func (s *search) compose() string {
	if s.everything || s.tooWide {
		return ""
	}
	parts := make([]string, len(s.members))
	for i, m := range s.members {
		parts[i] = m.compose()
	}
	return strings.Join(parts, " UNION ") + " ORDER BY 1 LIMIT ?"
}

func (m member) compose() string {
	if len(m.tags) == 0 {
		return "SELECT position FROM carillon_events WHERE position > ? AND position <= ? AND type = ?"
	}
	var text strings.Builder
	text.WriteString("SELECT t.position FROM carillon_tags t WHERE t.position > ? AND t.position <= ? AND t.tag = ?")
	for range m.tags[1:] {
		text.WriteString(" AND EXISTS (SELECT 1 FROM carillon_tags u WHERE u.tag = ? AND u.position = t.position)")
	}
	if len(m.types) > 0 {
		text.WriteString(" AND t.type IN (?" + strings.Repeat(", ?", len(m.types)-1) + ")")
	}
	return text.String()
}

// bind binds a search's parameters.
func (s *search) bind(stmt *sqlite3.Stmt, after, to carillon.Position, limit int) error {
	parameter := 0
	var err error
	number := func(value int64) {
		parameter++
		err = errors.Join(err, stmt.BindInt64(parameter, value))
	}
	for _, m := range s.members {
		number(int64(after))
		number(int64(to))
		for _, tag := range m.tags {
			parameter++
			err = errors.Join(err, stmt.BindText(parameter, string(tag)))
		}
		for _, typ := range m.types {
			number(typ)
		}
	}
	number(int64(limit))
	return err
}

// first returns the first position after one and up to another that matches, 0 for none.
func (s *search) first(conn *connection, after, to carillon.Position) (found carillon.Position, err error) {
	switch {
	case s.nothing() || after >= to:
		return 0, nil
	case s.everything:
		return after + 1, nil
	case s.tooWide:
		return s.scan(conn, after, to)
	}
	err = conn.query(s.text, func(stmt *sqlite3.Stmt) error {
		return s.bind(stmt, after, to, 1)
	}, func(stmt *sqlite3.Stmt) error {
		found = carillon.Position(stmt.ColumnInt64(0))
		return nil
	})
	return found, err
}

// scan is first for queries too wide for one statement: it asks each member in turn.
func (s *search) scan(conn *connection, after, to carillon.Position) (found carillon.Position, err error) {
	for _, m := range s.members {
		one := search{members: []member{m}}
		one.text = one.compose()
		position, err := one.first(conn, after, to)
		if err != nil {
			return 0, err
		}
		if position > 0 {
			found, to = position, position-1
		}
	}
	return found, nil
}
