package retail

import "strings"

// badRow writes a line that a reader must reject, one sort after the other, made from a good one.
func (g *generator) badRow(good []string) {
	fields := append([]string(nil), good...)
	fields[columnDescription] = "PLAIN"
	change, extra := badField(g.bad)
	switch {
	case change.column >= 0:
		fields[change.column] = change.value
		if change.column == columnPrice {
			fields[columnInvoice] = "999999"
		}
	case extra > 0:
		fields = append(fields, "more")
	default:
		fields = fields[1:]
	}
	g.bad++
	g.out.Flush()
	g.totals.RejectedLines = append(g.totals.RejectedLines, g.counter.newlines+1)
	g.raw(strings.Join(g.arrange(fields, "7"), ",") + "\r\n")
}

type badValue struct {
	column int
	value  string
}

// badField gives the n-th way to spoil a row: a field's new value, or else one field more or less.
func badField(n int) (change badValue, extra int) {
	values := []badValue{
		{columnQuantity, "six"},
		{columnQuantity, ""},
		{columnQuantity, "1.5"},
		{columnQuantity, "99999999999999999999"},
		{columnDate, "2010-13-45 08:26:00"},
		{columnDate, "01/12/2010 08:26"},
		{columnDate, ""},
		{columnPrice, "-1.5"},
		{columnPrice, "2.5555"},
		{columnPrice, "99999999999999999999"},
		{columnPrice, "free"},
		{columnInvoice, ""},
		{columnStockCode, ""},
		{columnCountry, ""},
		{columnCustomer, "nobody"},
		{columnCustomer, "1.0"},
		{columnDescription, "NUL \x00"},
		{columnDescription, "NOT UTF-8 \xff"},
		{columnDescription, `6" RULER`},
		{columnDescription, `"NOT CLOSED`},
		{columnDescription, strings.Repeat("LONG", maxRecord/4)},
	}
	n %= len(values) + 2
	if n < len(values) {
		return values[n], 0
	}
	return badValue{column: -1}, n - len(values)
}
