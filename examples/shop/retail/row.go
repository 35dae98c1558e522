package retail

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carillon-go/carillon/examples/shop/money"
)

const (
	maxName        = 64
	maxDescription = 1024
	maxNumber      = 32    // bytes of a quantity or a price
	maxKnown       = 65536 // values kept per column to be shared
)

// The columns of the file, in the order rows uses them.
const (
	columnInvoice = iota
	columnStockCode
	columnDescription
	columnQuantity
	columnDate
	columnPrice
	columnCustomer
	columnCountry
	columnCount
)

func columnNames() [columnCount]string {
	return [columnCount]string{
		"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country",
	}
}

// row is one accepted line of an invoice. The number is valid until the next record is read.
type row struct {
	number   []byte
	time     time.Time
	customer string
	country  string
	line     Line
	amount   money.Amount
}

// rows turns the fields of records into rows. Equal texts share their memory.
type rows struct {
	index        [columnCount]int
	stockCodes   textColumn
	descriptions textColumn
	customers    textColumn
	countries    textColumn
	lastDate     []byte
	lastTime     time.Time
	written      []byte // a date as it would be written
}

// newRows finds the columns in the header.
func newRows(header [][]byte) (*rows, error) {
	r := &rows{
		stockCodes:   newTextColumn(nameOf("stock code")),
		descriptions: newTextColumn(description),
		customers:    newTextColumn(customer),
		countries:    newTextColumn(nameOf("country")),
	}
	var missing, repeated []string
	for column, name := range columnNames() {
		is := func(field []byte) bool { return string(field) == name }
		r.index[column] = slices.IndexFunc(header, is)
		if r.index[column] < 0 {
			missing = append(missing, name)
		} else if slices.ContainsFunc(header[r.index[column]+1:], is) {
			repeated = append(repeated, name)
		}
	}
	if len(missing)+len(repeated) > 0 {
		return nil, &HeaderError{Missing: missing, Repeated: repeated}
	}
	return r, nil
}

// parse reads a record. The row has the invoice's number even where another field breaks a rule; without the number it is nil.
func (r *rows) parse(fields [][]byte) (row, error) {
	var result row
	number := fields[r.index[columnInvoice]]
	if err := checkName("invoice number", number); err != nil {
		return result, err
	}
	result.number = number
	var err error
	if result.line.StockCode, err = r.stockCodes.read(fields[r.index[columnStockCode]]); err != nil {
		return result, err
	}
	if result.line.Description, err = r.descriptions.read(fields[r.index[columnDescription]]); err != nil {
		return result, err
	}
	if result.line.Quantity, err = quantity(fields[r.index[columnQuantity]]); err != nil {
		return result, err
	}
	if result.time, err = r.date(fields[r.index[columnDate]]); err != nil {
		return result, err
	}
	if result.line.Price, err = price(fields[r.index[columnPrice]]); err != nil {
		return result, err
	}
	if result.customer, err = r.customers.read(fields[r.index[columnCustomer]]); err != nil {
		return result, err
	}
	if result.country, err = r.countries.read(fields[r.index[columnCountry]]); err != nil {
		return result, err
	}
	if result.line.Price < 0 && number[0] != adjustmentPrefix {
		return result, fmt.Errorf("price %v is negative, which only an adjustment's may be", result.line.Price)
	}
	if result.amount, err = result.line.Price.Times(result.line.Quantity); err != nil {
		return result, fmt.Errorf("quantity × price: %w", err)
	}
	return result, nil
}

// date reads "2006-01-02 15:04:05" and nothing looser. Most lines have the date of the line before.
func (r *rows) date(raw []byte) (time.Time, error) {
	if bytes.Equal(raw, r.lastDate) && len(raw) > 0 {
		return r.lastTime, nil
	}
	if len(raw) == len(time.DateTime) {
		parsed, err := time.Parse(time.DateTime, string(raw))
		r.written = parsed.AppendFormat(r.written[:0], time.DateTime)
		if err == nil && bytes.Equal(r.written, raw) {
			r.lastDate, r.lastTime = append(r.lastDate[:0], raw...), parsed
			return parsed, nil
		}
	}
	return time.Time{}, fmt.Errorf("date %s is not a time such as 2010-12-01 08:26:00", shown(raw))
}

// textColumn reads the texts of one column, most of which it has met before, many of them on the line before.
type textColumn struct {
	accept   func(raw []byte) (string, error)
	known    map[string]string
	lastRaw  []byte
	lastText string
}

func newTextColumn(accept func(raw []byte) (string, error)) textColumn {
	return textColumn{accept: accept, known: map[string]string{}}
}

func (c *textColumn) read(raw []byte) (string, error) {
	if len(raw) > 0 && bytes.Equal(raw, c.lastRaw) {
		return c.lastText, nil
	}
	text, ok := c.known[string(raw)]
	if !ok {
		var err error
		if text, err = c.accept(raw); err != nil {
			return "", err
		}
		if len(raw) <= maxName && len(c.known) < maxKnown {
			c.known[string(raw)] = text
		}
	}
	c.lastRaw, c.lastText = append(c.lastRaw[:0], raw...), text
	return text, nil
}

func nameOf(what string) func(raw []byte) (string, error) {
	return func(raw []byte) (string, error) {
		if err := checkName(what, raw); err != nil {
			return "", err
		}
		return string(raw), nil
	}
}

// checkName accepts printable text without space around it.
func checkName(what string, raw []byte) error {
	if len(raw) == 0 {
		return fmt.Errorf("%s is empty", what)
	}
	if len(raw) > maxName {
		return fmt.Errorf("%s %s is longer than %d bytes", what, shown(raw), maxName)
	}
	if raw[0] == ' ' || raw[len(raw)-1] == ' ' {
		return fmt.Errorf("%s %s has space around it", what, shown(raw))
	}
	for rest := raw; len(rest) > 0; {
		if ' ' <= rest[0] && rest[0] < 0x7f {
			rest = rest[1:]
			continue
		}
		character, size := utf8.DecodeRune(rest)
		if !unicode.IsPrint(character) {
			return fmt.Errorf("%s %s is not printable", what, shown(raw))
		}
		rest = rest[size:]
	}
	return nil
}

func description(raw []byte) (string, error) {
	if len(raw) > maxDescription {
		return "", fmt.Errorf("description is longer than %d bytes", maxDescription)
	}
	return string(raw), nil
}

// customer reads digits, with ".0" after them or not, or nothing for a guest.
func customer(raw []byte) (string, error) {
	number := bytes.TrimSuffix(raw, []byte(".0"))
	digits := !bytes.ContainsFunc(number, func(c rune) bool { return c < '0' || c > '9' })
	if !digits || len(number) > maxNumber || len(number) == 0 && len(raw) > 0 {
		return "", fmt.Errorf("customer %s is not a number", shown(raw))
	}
	return string(number), nil
}

func quantity(raw []byte) (int64, error) {
	if len(raw) <= maxNumber {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err == nil {
			return n, nil
		}
		if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("quantity %s is out of range", shown(raw))
		}
	}
	return 0, fmt.Errorf("quantity %s is not a whole number", shown(raw))
}

func price(raw []byte) (money.Amount, error) {
	if len(raw) > maxNumber {
		return 0, fmt.Errorf("price %s is longer than %d bytes", shown(raw), maxNumber)
	}
	amount, err := money.Parse(string(raw))
	if err != nil {
		return 0, fmt.Errorf("price %s: %w", shown(raw), errors.Unwrap(err))
	}
	return amount, nil
}

// shown quotes a field in a reason, without repeating all of a long one.
func shown(raw []byte) string {
	if len(raw) > maxName {
		return strconv.Quote(string(raw[:maxName])) + "…"
	}
	return strconv.Quote(string(raw))
}
