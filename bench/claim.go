package main

import (
	"fmt"
	"slices"
)

// outcome is what the sides of a contest came to.
type outcome struct {
	sides []measured
}

func (o outcome) side(name string) measured {
	for _, s := range o.sides {
		if s.name == name {
			return s
		}
	}
	panic(fmt.Sprintf("no side is called %q", name)) // a claim names sides of its own contest
}

// spread is a median with the least and the greatest value.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return spread{Median: median, Low: sorted[0], High: sorted[len(sorted)-1]}
}

// rates are the rates of a side, one of each repetition.
func (m measured) rates() []float64 {
	values := make([]float64, len(m.results))
	for i, r := range m.results {
		values[i] = r.rate()
	}
	return values
}

// efforts are the processors' times for a unit, one of each repetition.
func (m measured) efforts() []float64 {
	values := make([]float64, len(m.results))
	for i, r := range m.results {
		values[i] = r.effort()
	}
	return values
}

// claim is a row of the table: a piece of work, what it is held against, and what is demanded.
type claim struct {
	work    string
	against string
	// floor is the least that is demanded, ceiling the most; 0 demands nothing.
	floor, ceiling float64
	// unit follows the value, such as MB; a ratio has none.
	unit  string
	value func(outcome) (spread, string)
}

// ratio is the rate of one side over that of the best of others, repetition by repetition. The second value names the best.
func ratio(of string, over ...string) func(outcome) (spread, string) {
	return func(o outcome) (spread, string) {
		best := slices.MaxFunc(over, func(a, b string) int {
			left, right := spreadOf(o.side(a).rates()).Median, spreadOf(o.side(b).rates()).Median
			switch {
			case left < right:
				return -1
			case left > right:
				return 1
			default:
				return 0
			}
		})
		upper, lower := o.side(of).rates(), o.side(best).rates()
		values := make([]float64, len(upper))
		for i := range upper {
			values[i] = upper[i] / lower[i]
		}
		return spreadOf(values), best
	}
}

// factRatio is something else a side measured over the same of another, repetition by repetition.
func factRatio(name, of, over string) func(outcome) (spread, string) {
	return func(o outcome) (spread, string) {
		upper, lower := o.side(of).results, o.side(over).results
		values := make([]float64, len(upper))
		for i := range upper {
			values[i] = upper[i].facts[name] / lower[i].facts[name]
		}
		return spreadOf(values), over
	}
}

// fixed is a value measured once, before the runs.
func fixed(value float64) func(outcome) (spread, string) {
	return func(outcome) (spread, string) { return spreadOf([]float64{value}), "" }
}

// fact is something else a side measured.
func fact(of, name string) func(outcome) (spread, string) {
	return func(o outcome) (spread, string) {
		s := o.side(of)
		values := make([]float64, len(s.results))
		for i, r := range s.results {
			values[i] = r.facts[name]
		}
		return spreadOf(values), ""
	}
}

// The verdicts on a row.
const (
	pass        = "pass"
	short       = "SHORT"
	informative = "–"
)

func (c claim) verdict(s spread) string {
	switch {
	case c.floor > 0 && s.Median < c.floor, c.ceiling > 0 && s.Median > c.ceiling:
		return short
	case c.floor > 0, c.ceiling > 0:
		return pass
	default:
		return informative
	}
}

// demand says what is demanded, in a few characters.
func (c claim) demand() string {
	switch {
	case c.floor > 0:
		return fmt.Sprintf("≥ %g%s", c.floor, c.unit)
	case c.ceiling > 0:
		return fmt.Sprintf("≤ %g%s", c.ceiling, c.unit)
	default:
		return "–"
	}
}
