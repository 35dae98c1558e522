package retail_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

// TestRejects puts one bad line between good lines of two invoices.
func TestRejects(t *testing.T) {
	t.Parallel()
	const long = 70_000
	for _, test := range []struct {
		name, line, reason string
		invoice            string // of the reject
	}{
		{name: "text quantity", line: "1,B,,six,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `quantity "six" is not a whole number`},
		{name: "no quantity", line: "1,B,,,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `quantity "" is not a whole number`},
		{name: "fraction", line: "1,B,,1.5,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `quantity "1.5" is not a whole number`},
		{name: "quantity with space", line: "1,B,, 1,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `quantity " 1" is not a whole number`},
		{name: "huge quantity", line: "1,B,,9223372036854775808,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `quantity "9223372036854775808" is out of range`},
		{name: "long quantity", line: "1,B,," + strings.Repeat("9", 70) + ",2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `quantity "` + strings.Repeat("9", 64) + `"… is not a whole number`},
		{name: "month 13", line: "1,B,,1,2010-13-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `date "2010-13-01 08:26:00" is not a time such as 2010-12-01 08:26:00`},
		{name: "30 February", line: "1,B,,1,2011-02-30 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `date "2011-02-30 08:26:00" is not a time such as 2010-12-01 08:26:00`},
		{name: "other date format", line: "1,B,,1,01/12/2010 08:26,1,17850,United Kingdom", invoice: "1", reason: `date "01/12/2010 08:26" is not a time such as 2010-12-01 08:26:00`},
		{name: "one-digit hour", line: "1,B,,1,2010-12-01  8:26:00,1,17850,United Kingdom", invoice: "1", reason: `date "2010-12-01  8:26:00" is not a time such as 2010-12-01 08:26:00`},
		{name: "no date", line: "1,B,,1,,1,17850,United Kingdom", invoice: "1", reason: `date "" is not a time such as 2010-12-01 08:26:00`},
		{name: "negative price on an order", line: "1,B,,1,2010-12-01 08:26:00,-1.5,17850,United Kingdom", invoice: "1", reason: `price -1.50 is negative, which only an adjustment's may be`},
		{name: "negative price on a credit note", line: "C9,B,,-1,2010-12-01 08:26:00,-1.5,,United Kingdom", invoice: "C9", reason: `price -1.50 is negative, which only an adjustment's may be`},
		{name: "four decimals", line: "1,B,,1,2010-12-01 08:26:00,1.2345,17850,United Kingdom", invoice: "1", reason: `price "1.2345": more than three decimals`},
		{name: "text price", line: "1,B,,1,2010-12-01 08:26:00,free,17850,United Kingdom", invoice: "1", reason: `price "free": not a decimal number`},
		{name: "no price", line: "1,B,,1,2010-12-01 08:26:00,,17850,United Kingdom", invoice: "1", reason: `price "": not a decimal number`},
		{name: "grouped price", line: `1,B,,1,2010-12-01 08:26:00,"1,000.00",17850,United Kingdom`, invoice: "1", reason: `price "1,000.00": not a decimal number`},
		{name: "huge price", line: "1,B,,1,2010-12-01 08:26:00,9999999999999999,17850,United Kingdom", invoice: "1", reason: `price "9999999999999999": amount out of range`},
		{name: "long price", line: "1,B,,1,2010-12-01 08:26:00," + strings.Repeat("0", 40) + ",17850,United Kingdom", invoice: "1", reason: `price "` + strings.Repeat("0", 40) + `" is longer than 32 bytes`},
		{name: "huge product", line: "1,B,,9000000000000000,2010-12-01 08:26:00,9000000000,17850,United Kingdom", invoice: "1", reason: `quantity × price: amount out of range`},
		{name: "huge total", line: "1,B,,1,2010-12-01 08:26:00,9223372036854775.807,17850,United Kingdom", invoice: "1", reason: `the invoice's total is out of range`},
		{name: "no invoice number", line: ",B,,1,2010-12-01 08:26:00,1,17850,United Kingdom", reason: `invoice number is empty`},
		{name: "invoice number with space", line: " 1,B,,1,2010-12-01 08:26:00,1,17850,United Kingdom", reason: `invoice number " 1" has space around it`},
		{name: "no stock code", line: "1,,,1,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `stock code is empty`},
		{name: "blank stock code", line: "1,  ,,1,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `stock code "  " has space around it`},
		{name: "unprintable stock code", line: "1,B\u0007,,1,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `stock code "B\a" is not printable`},
		{name: "long stock code", line: "1," + strings.Repeat("B", 65) + ",,1,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `stock code "` + strings.Repeat("B", 64) + `"… is longer than 64 bytes`},
		{name: "long description", line: "1,B," + strings.Repeat("B", 1025) + ",1,2010-12-01 08:26:00,1,17850,United Kingdom", invoice: "1", reason: `description is longer than 1024 bytes`},
		{name: "text customer", line: "1,B,,1,2010-12-01 08:26:00,1,nobody,United Kingdom", invoice: "1", reason: `customer "nobody" is not a number`},
		{name: "fractional customer", line: "1,B,,1,2010-12-01 08:26:00,1,17850.5,United Kingdom", invoice: "1", reason: `customer "17850.5" is not a number`},
		{name: "customer without digits", line: "1,B,,1,2010-12-01 08:26:00,1,.0,United Kingdom", invoice: "1", reason: `customer ".0" is not a number`},
		{name: "other customer", line: "1,B,,1,2010-12-01 08:26:00,1,17851,United Kingdom", invoice: "1", reason: `customer "17851" on an invoice of customer "17850"`},
		{name: "no country", line: "1,B,,1,2010-12-01 08:26:00,1,17850,", invoice: "1", reason: `country is empty`},
		{name: "other country", line: "1,B,,1,2010-12-01 08:26:00,1,17850,EIRE", invoice: "1", reason: `country "EIRE" on an invoice of country "United Kingdom"`},
		{name: "fields missing", line: "1,B,,1,2010-12-01 08:26:00", reason: `5 fields, the header has 8`},
		{name: "fields too many", line: "1,B,,1,2010-12-01 08:26:00,1,17850,United Kingdom,", reason: `9 fields, the header has 8`},
		{name: "spaces", line: "   ", reason: `1 fields, the header has 8`},
		{name: "NUL", line: "1,B,A\x00B,1,2010-12-01 08:26:00,1,17850,United Kingdom", reason: `a NUL byte`},
		{name: "NUL within quotes", line: "1,B,\"A\x00B\",1,2010-12-01 08:26:00,1,17850,United Kingdom", reason: `a NUL byte`},
		{name: "invalid UTF-8", line: "1,B,A\xffB,1,2010-12-01 08:26:00,1,17850,United Kingdom", reason: `not UTF-8 text`},
		{name: "bare quote", line: `1,B,6" RULER,1,2010-12-01 08:26:00,1,17850,United Kingdom`, reason: `a quote within an unquoted field`},
		{name: "text after a quote", line: `1,B,"6" RULER,1,2010-12-01 08:26:00,1,17850,United Kingdom`, reason: `a quoted field that is not closed, or goes on after its closing quote`},
		{name: "quote not closed", line: `1,B,"RULER,1,2010-12-01 08:26:00,1,17850,United Kingdom`, reason: `a quoted field that is not closed, or goes on after its closing quote`},
		{name: "long line", line: strings.Repeat("x", long), reason: `longer than 64 KiB`},
		{name: "very long line", line: strings.Repeat("x", 10*long), reason: `longer than 64 KiB`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := read(header + lineOf("1") + test.line + "\n" + lineOf("1") + lineOf("2"))
			if diff := cmp.Diff([]string{"1×2", "2×1"}, got.numbers()); diff != "" {
				t.Errorf("the good lines (-want +got):\n%s", diff)
			}
			want := []retail.Reject{{Line: 3, Reason: test.reason, Invoice: test.invoice, Raw: test.line[:min(len(test.line), 1024)]}}
			if diff := cmp.Diff(want, got.rejects); diff != "" {
				t.Errorf("the bad line (-want +got):\n%s", diff)
			}
			if got.err != nil {
				t.Error(got.err)
			}
			if len(got.invoices) == 2 && (got.invoices[0].Lines[1].FileLine != 4 || got.invoices[1].Lines[0].FileLine != 5) {
				t.Errorf("the good lines are at %+v", got.invoices)
			}
		})
	}
}

func TestLastLineRejected(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"bad", `"`, `"` + strings.Repeat("x", 70_000), strings.Repeat("x", 700_000), "\x00"} {
		got := read(header + lineOf("1") + last)
		if len(got.rejects) != 1 || got.rejects[0].Line != 3 || got.err != nil || len(got.invoices) != 1 {
			t.Errorf("a last line of %d bytes gave %d invoices, rejects %+v, error %v", len(last), len(got.invoices), got.rejects, got.err)
		}
	}
}

func TestInvoiceOfTooManyLines(t *testing.T) {
	t.Parallel()
	got := read(header + strings.Repeat(lineOf("1"), 10_002) + lineOf("2"))
	if diff := cmp.Diff([]string{"1×10000", "2×1"}, got.numbers()); diff != "" {
		t.Error(diff)
	}
	want := "the invoice has 10000 lines, and may not have more"
	if len(got.rejects) != 2 || got.rejects[0].Line != 10_002 || got.rejects[1].Reason != want {
		t.Errorf("the rejects are %+v", got.rejects)
	}
}

func TestQuoteNotClosedCostsOneLine(t *testing.T) {
	t.Parallel()
	broken := `1,B,"OPEN,1,2010-12-01 08:26:00,1,17850,United Kingdom` + "\n"
	quoted := `2,B,"RULER, 6""",1,2010-12-01 08:26:00,1,17850,United Kingdom` + "\n"
	many := strings.Repeat(lineOf("2"), 3000) // more than a record may take
	for name, file := range map[string]string{
		"quotes follow":         broken + strings.Repeat(lineOf("2"), 20) + quoted,
		"no quotes follow":      broken + lineOf("2"),
		"quotes follow far off": broken + many + quoted,
		"no end in sight":       broken + many,
	} {
		got := read(header + file)
		if len(got.rejects) != 1 || got.rejects[0].Line != 2 || len(got.invoices) != 1 || got.err != nil {
			t.Errorf("%s: %v, rejects %+v, error %v", name, got.numbers(), got.rejects, got.err)
			continue
		}
		if want := strings.Count(file, "\n") - 1; len(got.invoices[0].Lines) != want {
			t.Errorf("%s: %d lines, want %d", name, len(got.invoices[0].Lines), want)
		}
	}
}

func TestLinesOfTheFileCount(t *testing.T) {
	t.Parallel()
	got := read(header +
		"\n\r\n" +
		"1,B,\"TWO\nLINES\r\nOR THREE\",1,2010-12-01 08:26:00,1,17850,United Kingdom\n" +
		"1,B,\"TWO\nLINES\",six,2010-12-01 08:26:00,1,17850,United Kingdom\n" +
		"1,B,\"TWO\nLINES\",1\n" +
		lineOf("1"))
	if len(got.invoices) != 1 || got.err != nil {
		t.Fatalf("read %+v", got)
	}
	lines := got.invoices[0].Lines
	if len(lines) != 2 || lines[0].FileLine != 4 || lines[1].FileLine != 11 || lines[0].Description != "TWO\nLINES\nOR THREE" {
		t.Errorf("the lines are %+v", lines)
	}
	want := []retail.Reject{
		{Line: 7, Invoice: "1", Reason: `quantity "six" is not a whole number`, Raw: "1,B,\"TWO\nLINES\",six,2010-12-01 08:26:00,1,17850,United Kingdom"},
		{Line: 9, Reason: "4 fields, the header has 8", Raw: "1,B,\"TWO"},
		{Line: 10, Reason: "a quote within an unquoted field", Raw: "LINES\",1"},
	}
	if diff := cmp.Diff(want, got.rejects); diff != "" {
		t.Error(diff)
	}
}
