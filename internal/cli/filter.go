package cli

import (
	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// filterFlags choose events of a log.
type filterFlags struct {
	after int64
	limit int64
	types []string
	tags  []string
	json  bool
}

func (f *filterFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.Int64Var(&f.after, "after", 0, "begin behind this `POSITION`")
	flags.Int64Var(&f.limit, "limit", 0, "stop after this `NUMBER` of events; 0 for no limit")
	flags.StringArrayVar(&f.types, "type", nil, "only events of this `TYPE`; may be repeated for any of several")
	flags.StringArrayVar(&f.tags, "tag", nil, "only events with this tag, written `KEY:VALUE`; may be repeated for all of several")
	flags.BoolVar(&f.json, "json", false, "print one JSON object per line")
}

// query is the query the filters make, checked.
func (f *filterFlags) query() (carillon.Query, error) {
	if err := checkNumbers(f.after, f.limit); err != nil {
		return carillon.Query{}, err
	}
	query := carillon.AllEvents()
	if len(f.types) > 0 || len(f.tags) > 0 {
		item := carillon.Item{Types: f.types}
		for _, tag := range f.tags {
			item.Tags = append(item.Tags, carillon.Tag(tag))
		}
		query.Items = []carillon.Item{item}
	}
	return query, invalidUsage(query.Check())
}

func checkNumbers(after, limit int64) error {
	switch {
	case after < 0:
		return usagef("--after %d: it is 0 or more", after)
	case limit < 0:
		return usagef("--limit %d: it is 1 or more, or 0 for no limit", limit)
	default:
		return nil
	}
}

// pageSize is how many events are read at a time.
const pageSize = 1000

// nextPage is how many events to read next when so many of a limit have been read.
func nextPage(limit, read int64) int {
	if limit == 0 {
		return pageSize
	}
	return int(min(limit-read, pageSize))
}
