// Package money counts pounds exactly, in thousandths, and writes them as decimals: no amount ever passes through a
// floating-point number.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// The errors a caller may compare with errors.Is.
var (
	// ErrSyntax: the text is not a decimal number.
	ErrSyntax = errors.New("not a decimal number")
	// ErrPrecision: the text has more decimals than an amount keeps.
	ErrPrecision = errors.New("more than three decimals")
	// ErrOverflow: the amount is larger than an [Amount] can hold.
	ErrOverflow = errors.New("amount out of range")
)

// ParseError says which text is no amount, and why.
type ParseError struct {
	Text string
	// Err is [ErrSyntax], [ErrPrecision] or [ErrOverflow].
	Err error
}

func (e *ParseError) Error() string { return fmt.Sprintf("amount %s: %v", quoted(e.Text), e.Err) }

// Unwrap gives the reason.
func (e *ParseError) Unwrap() error { return e.Err }

// Amount is a sum of money in thousandths of a pound. The zero value is nothing. It is written as a decimal, in text and
// in JSON: at least two decimals, and a third only where it is not zero ("0.00", "2.55", "9747747.934").
type Amount int64

const (
	decimals = 3
	scale    = 1000
)

// Parse reads a decimal number: an optional sign, digits, and optionally a point and one to three digits more.
// Anything else, exponents, spaces and grouping included, is a [*ParseError].
func Parse(text string) (Amount, error) {
	rest, negative := text, false
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		rest, negative = rest[1:], rest[0] == '-'
	}
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	var magnitude uint64
	overflow := false
	point := -1
	for i := range len(rest) {
		c := rest[i]
		if c == '.' && point < 0 && i > 0 {
			point = i
			continue
		}
		if c < '0' || c > '9' {
			return 0, parseError(text, ErrSyntax)
		}
		magnitude, overflow = appendDigit(magnitude, c, limit, overflow)
	}
	given := 0
	if point >= 0 {
		given = len(rest) - point - 1
	}
	switch {
	case rest == "" || point >= 0 && given == 0:
		return 0, parseError(text, ErrSyntax)
	case given > decimals:
		return 0, parseError(text, ErrPrecision)
	}
	for range decimals - given {
		magnitude, overflow = appendDigit(magnitude, '0', limit, overflow)
	}
	if overflow {
		return 0, parseError(text, ErrOverflow)
	}
	if negative {
		return Amount(-magnitude), nil
	}
	return Amount(magnitude), nil
}

func appendDigit(magnitude uint64, digit byte, limit uint64, overflow bool) (uint64, bool) {
	if overflow || magnitude > limit/10 {
		return magnitude, true
	}
	magnitude = magnitude*10 + uint64(digit-'0')
	return magnitude, magnitude > limit
}

// parseError keeps a copy of the text, so that a caller's buffer does not escape through the error.
func parseError(text string, reason error) error {
	return &ParseError{Text: strings.Clone(text), Err: reason}
}

// quoted names a text without repeating all of a long one.
func quoted(text string) string {
	if len(text) > 64 {
		return strconv.Quote(text[:64]) + "…"
	}
	return strconv.Quote(text)
}

// Times multiplies an amount, such as a price by a quantity. The error is [ErrOverflow].
func (a Amount) Times(quantity int64) (Amount, error) {
	negative := (a < 0) != (quantity < 0)
	high, low := bits.Mul64(absolute(int64(a)), absolute(quantity))
	switch {
	case high != 0, low > 1<<63, low == 1<<63 && !negative:
		return 0, ErrOverflow
	case negative:
		return Amount(-low), nil
	}
	return Amount(low), nil
}

// Plus adds two amounts. The error is [ErrOverflow].
func (a Amount) Plus(other Amount) (Amount, error) {
	sum := a + other
	if (sum > a) != (other > 0) {
		return 0, ErrOverflow
	}
	return sum, nil
}

func absolute(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// String writes the amount as a decimal.
func (a Amount) String() string { return string(a.append(make([]byte, 0, 24))) }

// AppendText appends the amount as a decimal. It never fails.
func (a Amount) AppendText(text []byte) ([]byte, error) { return a.append(text), nil }

// MarshalText writes the amount as a decimal, so that JSON carries a string. It never fails.
func (a Amount) MarshalText() ([]byte, error) { return a.append(make([]byte, 0, 24)), nil }

// UnmarshalText reads what [Parse] reads.
func (a *Amount) UnmarshalText(text []byte) error {
	amount, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = amount
	return nil
}

func (a Amount) append(text []byte) []byte {
	if a < 0 {
		text = append(text, '-')
	}
	value := absolute(int64(a))
	text = strconv.AppendUint(text, value/scale, 10)
	fraction := value % scale
	text = append(text, '.', byte('0'+fraction/100), byte('0'+fraction/10%10))
	if last := fraction % 10; last != 0 {
		text = append(text, byte('0'+last))
	}
	return text
}
