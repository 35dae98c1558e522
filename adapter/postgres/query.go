package postgres

import (
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// search is a query compiled to a statement that finds its events.
type search struct {
	text      string
	arguments []any
	nothing   bool // no event has had any of the query's types
}

// compile turns a query into a statement: the sorted union of index ranges, one for each item's first tag, or for each of its types.
// Types without a number drop out, and items with them.
func compile(query carillon.Query, names *typeNames, after, through carillon.Position, limit int) search {
	if len(query.Items) == 0 {
		return search{text: selectAll, arguments: []any{int64(after), limit, int64(through)}}
	}
	s := search{arguments: []any{int64(after), limit, int64(through)}}
	var parts []string
	for _, item := range query.Items {
		types := make([]int32, 0, len(item.Types))
		for _, name := range item.Types {
			if id := names.id(name); id > 0 {
				types = append(types, id)
			}
		}
		switch {
		case len(item.Types) > 0 && len(types) == 0:
		case len(item.Tags) > 0:
			parts = append(parts, s.tagged(item.Tags, types))
		default:
			for _, typ := range types {
				parts = append(parts, "(SELECT position FROM {{schema}}.events WHERE position > $1 AND position <= $3 AND type = "+s.argument(typ)+" ORDER BY position LIMIT $2)")
			}
		}
	}
	s.nothing = len(parts) == 0
	s.text = fmt.Sprintf(selectFound, "SELECT position FROM ("+strings.Join(parts, " UNION ")+") found ORDER BY 1 LIMIT $2")
	return s
}

func (s *search) argument(value any) string {
	s.arguments = append(s.arguments, value)
	return fmt.Sprintf("$%d", len(s.arguments))
}

// tagged finds the events that carry all of the tags and are of any of the types; none of them means any.
func (s *search) tagged(tags []carillon.Tag, types []int32) string {
	var text strings.Builder
	text.WriteString("(SELECT t.position FROM {{schema}}.tags t WHERE t.position > $1 AND t.position <= $3 AND t.tag = " + s.argument(string(tags[0])))
	for _, tag := range tags[1:] {
		text.WriteString(" AND EXISTS (SELECT FROM {{schema}}.tags o WHERE o.position = t.position AND o.tag = " + s.argument(string(tag)) + ")")
	}
	if len(types) > 0 {
		text.WriteString(" AND t.type = ANY (" + s.argument(types) + ")")
	}
	text.WriteString(" ORDER BY t.position LIMIT $2)")
	return text.String()
}
