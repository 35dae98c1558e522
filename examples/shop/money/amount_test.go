package money_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want money.Amount
		err  error
	}{
		{text: "0", want: 0},
		{text: "-0.00", want: 0},
		{text: "2.55", want: 2550},
		{text: "2.5", want: 2500},
		{text: "+2.5", want: 2500},
		{text: "0.001", want: 1},
		{text: "-11062.06", want: -11062060},
		{text: "9747747.934", want: 9747747934},
		{text: "0000000000000000000000000000002.550", want: 2550},
		{text: "9223372036854775.807", want: math.MaxInt64},
		{text: "-9223372036854775.808", want: math.MinInt64},
		{text: "9223372036854775.808", err: money.ErrOverflow},
		{text: "-9223372036854775.809", err: money.ErrOverflow},
		{text: "9223372036854776", err: money.ErrOverflow},
		{text: "99999999999999999999999999999999999", err: money.ErrOverflow},
		{text: "1.2345", err: money.ErrPrecision},
		{text: "1.5000", err: money.ErrPrecision},
		{text: "", err: money.ErrSyntax},
		{text: "-", err: money.ErrSyntax},
		{text: ".", err: money.ErrSyntax},
		{text: ".5", err: money.ErrSyntax},
		{text: "5.", err: money.ErrSyntax},
		{text: "-.5", err: money.ErrSyntax},
		{text: "--5", err: money.ErrSyntax},
		{text: "1.2.3", err: money.ErrSyntax},
		{text: "1e3", err: money.ErrSyntax},
		{text: "1,000.00", err: money.ErrSyntax},
		{text: " 1", err: money.ErrSyntax},
		{text: "1 ", err: money.ErrSyntax},
		{text: "0x10", err: money.ErrSyntax},
		{text: "1_000", err: money.ErrSyntax},
		{text: "NaN", err: money.ErrSyntax},
		{text: "£5", err: money.ErrSyntax},
		{text: "٣", err: money.ErrSyntax},
		{text: "99999999999999999999999x", err: money.ErrSyntax},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			got, err := money.Parse(test.text)
			if !errors.Is(err, test.err) || got != test.want {
				t.Fatalf("Parse(%q) = %d, %v; want %d, %v", test.text, int64(got), err, int64(test.want), test.err)
			}
			if test.err == nil {
				return
			}
			if parseError, ok := errors.AsType[*money.ParseError](err); !ok || parseError.Text != test.text {
				t.Errorf("error is %#v, want a ParseError of the text", err)
			}
		})
	}
}

func TestParseErrorIsShort(t *testing.T) {
	t.Parallel()
	_, err := money.Parse(strings.Repeat("x", 10_000))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("error of %d bytes, want at most 200", len(err.Error()))
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for want, amount := range map[string]money.Amount{
		"0.00":                  0,
		"2.55":                  2550,
		"2.50":                  2500,
		"100.00":                100000,
		"0.01":                  10,
		"0.001":                 1,
		"-0.001":                -1,
		"1.005":                 1005,
		"9747747.934":           9747747934,
		"-11062.06":             -11062060,
		"9223372036854775.807":  math.MaxInt64,
		"-9223372036854775.808": math.MinInt64,
	} {
		if got := amount.String(); got != want {
			t.Errorf("Amount(%d) is written %q, want %q", int64(amount), got, want)
		}
		if got, _ := amount.AppendText([]byte("net ")); string(got) != "net "+want {
			t.Errorf("Amount(%d) is appended as %q", int64(amount), got)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		price    money.Amount
		quantity int64
		want     money.Amount
		err      error
	}{
		{name: "price by quantity", price: 2550, quantity: 6, want: 15300},
		{name: "return", price: 2550, quantity: -6, want: -15300},
		{name: "both negative", price: -2550, quantity: -6, want: 15300},
		{name: "nothing", price: 0, quantity: math.MinInt64, want: 0},
		{name: "largest", price: math.MaxInt64, quantity: 1, want: math.MaxInt64},
		{name: "smallest", price: math.MinInt64, quantity: 1, want: math.MinInt64},
		{name: "largest, returned", price: math.MaxInt64, quantity: -1, want: -math.MaxInt64},
		{name: "smallest, made by a product", price: 1 << 32, quantity: -(1 << 31), want: math.MinInt64},
		{name: "one over the largest", price: 1 << 32, quantity: 1 << 31, err: money.ErrOverflow},
		{name: "smallest, returned", price: math.MinInt64, quantity: -1, err: money.ErrOverflow},
		{name: "just over", price: math.MaxInt64/2 + 1, quantity: 2, err: money.ErrOverflow},
		{name: "just under", price: math.MinInt64/2 - 1, quantity: 2, err: money.ErrOverflow},
		{name: "far over", price: math.MaxInt64, quantity: math.MaxInt64, err: money.ErrOverflow},
		{name: "over by a multiple of the range", price: 1 << 62, quantity: 1 << 2, err: money.ErrOverflow},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.price.Times(test.quantity)
			if !errors.Is(err, test.err) || got != test.want {
				t.Errorf("%d.Times(%d) = %d, %v; want %d, %v", int64(test.price), test.quantity, int64(got), err, int64(test.want), test.err)
			}
		})
	}
}

func TestPlus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		a, b, want money.Amount
		err        error
	}{
		{name: "sum", a: 2550, b: 450, want: 3000},
		{name: "nothing", a: 2550, b: 0, want: 2550},
		{name: "difference", a: 2550, b: -2551, want: -1},
		{name: "to the largest", a: math.MaxInt64 - 1, b: 1, want: math.MaxInt64},
		{name: "extremes", a: math.MinInt64, b: math.MaxInt64, want: -1},
		{name: "over", a: math.MaxInt64, b: 1, err: money.ErrOverflow},
		{name: "under", a: math.MinInt64, b: -1, err: money.ErrOverflow},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.a.Plus(test.b)
			if !errors.Is(err, test.err) || got != test.want {
				t.Errorf("%d.Plus(%d) = %d, %v; want %d, %v", int64(test.a), int64(test.b), int64(got), err, int64(test.want), test.err)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type row struct {
		Net   money.Amount            `json:"net"`
		ByDay map[string]money.Amount `json:"by_day"`
		Lines []money.Amount          `json:"lines"`
	}
	value := row{Net: 9747747934, ByDay: map[string]money.Amount{"2011-12-09": 2500}, Lines: []money.Amount{-1, 0}}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"net":"9747747.934","by_day":{"2011-12-09":"2.50"},"lines":["-0.001","0.00"]}`, string(text)); diff != "" {
		t.Error(diff)
	}
	var back row
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(value, back); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{`{"net":2.55}`, `{"net":""}`, `{"net":"2.5555"}`, `{"net":"1e3"}`} {
		unread := row{Net: 7}
		if err := json.Unmarshal([]byte(bad), &unread); err == nil || unread.Net != 7 {
			t.Errorf("%s was read as %v, error %v", bad, unread.Net, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "2.55", "-0.001", "+1.5", "9223372036854775.807", "-9223372036854775.808", "1e3", ".5", "5.", "1.2345", "00012.30", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := money.Parse(text)
		if err != nil {
			if !errors.Is(err, money.ErrSyntax) && !errors.Is(err, money.ErrPrecision) && !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("Parse(%q) fails with %v, which is none of the three reasons", text, err)
			}
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok || exact.Cmp(big.NewRat(int64(amount), 1000)) != 0 {
			t.Fatalf("Parse(%q) = %v, want exactly %v", text, amount, exact)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []int64{0, 1, -1, 10, 999, 1000, 2550, 9747747934, math.MaxInt64, math.MinInt64} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, thousandths int64) {
		amount := money.Amount(thousandths)
		back, err := money.Parse(amount.String())
		if err != nil || back != amount {
			t.Fatalf("%d is written %q and read back as %d, %v", thousandths, amount, int64(back), err)
		}
		whole, fraction, _ := strings.Cut(amount.String(), ".")
		if len(fraction) < 2 || len(fraction) == 3 && fraction[2] == '0' || len(whole) > 1 && strings.TrimPrefix(whole, "-")[0] == '0' && whole != "-0" {
			t.Fatalf("%d is written %q, which is not the canonical form", thousandths, amount)
		}
	})
}

func FuzzTimes(f *testing.F) {
	f.Add(int64(2550), int64(6))
	f.Add(int64(math.MinInt64), int64(-1))
	f.Add(int64(1<<32), int64(1<<31))
	f.Fuzz(func(t *testing.T, price, quantity int64) {
		got, err := money.Amount(price).Times(quantity)
		exact := new(big.Int).Mul(big.NewInt(price), big.NewInt(quantity))
		if exact.IsInt64() != (err == nil) || err == nil && int64(got) != exact.Int64() {
			t.Fatalf("%d × %d = %d, %v; want %v", price, quantity, int64(got), err, exact)
		}
	})
}
