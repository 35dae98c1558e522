package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// report is what a run of the program found.
type report struct {
	Date        time.Time `json:"date"`
	Machine     machine   `json:"machine"`
	Quick       bool      `json:"quick,omitempty"`
	Repetitions int       `json:"repetitions"`
	Seconds     float64   `json:"seconds_a_run"`
	Rows        []row     `json:"rows"`
	Rates       []rate    `json:"rates"`
	Skipped     []string  `json:"skipped,omitempty"`
}

// row is a claim with its value.
type row struct {
	Work    string  `json:"work"`
	Against string  `json:"against"`
	Value   spread  `json:"value"`
	Unit    string  `json:"unit,omitempty"`
	Demand  string  `json:"demand"`
	Floor   float64 `json:"floor,omitempty"`
	Ceiling float64 `json:"ceiling,omitempty"`
	Verdict string  `json:"verdict"`
}

// rate is what one side reached.
type rate struct {
	Side  string `json:"side"`
	What  string `json:"what"`
	Unit  string `json:"unit"`
	Value spread `json:"per_second"`
	// Effort is the processors' time for one unit, in microseconds.
	Effort spread `json:"processor_microseconds"`
}

// add takes in what a contest came to.
func (r *report) add(c *contest, o outcome) {
	for _, claim := range c.claims {
		value, best := claim.value(o)
		against := claim.against
		if against == "" {
			against = best
		}
		r.Rows = append(r.Rows, row{
			Work: claim.work, Against: against, Value: value, Unit: claim.unit,
			Demand: claim.demand(), Floor: claim.floor, Ceiling: claim.ceiling, Verdict: claim.verdict(value),
		})
	}
	for _, m := range o.sides {
		r.Rates = append(r.Rates, rate{Side: m.name, What: m.what, Unit: m.unit, Value: spreadOf(m.rates()), Effort: spreadOf(m.efforts())})
	}
}

func (r *report) writeJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

func (r *report) writeText(out io.Writer) error {
	fmt.Fprintln(out, r.Machine)
	if r.Quick {
		fmt.Fprintln(out, quickCaution)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nwork\tagainst\tvalue\tspread\tdemand\t")
	for _, row := range r.Rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s–%s\t%s\t%s\n", row.Work, row.Against, row.number(row.Value.Median),
			row.number(row.Value.Low), row.number(row.Value.High), row.Demand, row.Verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(table, "\nside\ta second\tspread\tprocessors")
	for _, rate := range r.Rates {
		fmt.Fprintf(table, "%s\t%s %s\t%s–%s\t%s µs\n", rate.Side, short3(rate.Value.Median), rate.Unit,
			short3(rate.Value.Low), short3(rate.Value.High), short3(rate.Effort.Median))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, skipped := range r.Skipped {
		fmt.Fprintf(out, "\nNOT MEASURED: %s\n", skipped)
	}
	return nil
}

const quickCaution = "A quick run: shorter and smaller than the demands ask for. It shows that everything works, not how fast."

// number is a row's value with its unit.
func (r row) number(value float64) string {
	if r.Unit != "" && value >= 10 {
		return fmt.Sprintf("%.0f%s", value, r.Unit)
	}
	return fmt.Sprintf("%.2f%s", value, r.Unit)
}

// short3 is a number in three digits.
func short3(value float64) string {
	switch {
	case value >= 1e6:
		return fmt.Sprintf("%.2fM", value/1e6)
	case value >= 1e4:
		return fmt.Sprintf("%.1fk", value/1e3)
	case value >= 1e3:
		return fmt.Sprintf("%.2fk", value/1e3)
	default:
		return fmt.Sprintf("%.3g", value)
	}
}
