package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

// chart is a flow chart in the words of mermaid: nodes in columns, and arrows between them.
type chart struct {
	columns []column
	arrows  []string
}

// column is a group of nodes of one sort.
type column struct {
	title string
	// open and shut are the brackets that give the nodes their shape.
	open, shut string
	prefix     string
	names      []string
}

// The columns, in the order events flow.
const (
	commandColumn = iota
	aggregateColumn
	eventColumn
	projectionColumn
	queryColumn
)

// flowChart draws how commands become events, and events answers.
func flowChart(service carillon.Description) string {
	c := &chart{columns: []column{
		{title: "commands", prefix: "c", open: ">", shut: "]"},
		{title: "aggregates", prefix: "a", open: "[", shut: "]"},
		{title: "events", prefix: "e", open: "([", shut: "])"},
		{title: "projections", prefix: "p", open: "[(", shut: ")]"},
		{title: "queries", prefix: "q", open: "{{", shut: "}}"},
	}}
	for _, part := range service.Parts {
		c.add(part)
	}
	return c.String()
}

func (c *chart) add(part carillon.Description) {
	switch part.Kind {
	case "aggregate", "boundary":
		self := c.node(aggregateColumn, part.Name)
		for _, command := range part.Accepts {
			c.arrow(c.node(commandColumn, command), self)
		}
		for _, event := range part.Emits {
			c.arrow(self, c.node(eventColumn, event))
		}
	case "projection", "reactor":
		self := c.node(projectionColumn, part.Name)
		for _, event := range part.Accepts {
			c.arrow(c.node(eventColumn, event), self)
		}
	case "query":
		self := c.node(queryColumn, part.Name)
		for model := range strings.SplitSeq(part.Detail["reads"], ", ") {
			if model != "" {
				c.arrow(c.node(projectionColumn, model), self)
			}
		}
	case "command": // one that no aggregate decides
		c.node(commandColumn, part.Name)
	}
}

// node gives the id of a node, which is made when it is new.
func (c *chart) node(in int, name string) string {
	column := &c.columns[in]
	at := slices.Index(column.names, name)
	if at < 0 {
		at = len(column.names)
		column.names = append(column.names, name)
	}
	return fmt.Sprintf("%s%d", column.prefix, at+1)
}

func (c *chart) arrow(from, to string) { c.arrows = append(c.arrows, from+" --> "+to) }

// String is the chart's text.
func (c *chart) String() string {
	var out strings.Builder
	out.WriteString("flowchart LR\n")
	for _, column := range c.columns {
		if len(column.names) == 0 {
			continue
		}
		fmt.Fprintf(&out, "  subgraph %s\n", column.title)
		for i, name := range column.names {
			fmt.Fprintf(&out, "    %s%d%s\"%s\"%s\n", column.prefix, i+1, column.open, label(name), column.shut)
		}
		out.WriteString("  end\n")
	}
	for _, arrow := range c.arrows {
		out.WriteString("  " + arrow + "\n")
	}
	return out.String()
}

// label is a name as it may stand in quotes.
func label(name string) string {
	return strings.NewReplacer(`#`, "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(printable(name))
}

func sortedKeys(detail map[string]string) []string { return slices.Sorted(maps.Keys(detail)) }
