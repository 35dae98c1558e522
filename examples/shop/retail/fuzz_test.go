package retail_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

// FuzzReader reads any bytes: every line is in an invoice, rejected, or the reading ends in an error.
func FuzzReader(f *testing.F) {
	clean, _ := generated(f, 2, 1)
	dirty, _ := generated(f, 3, 2, retail.Dirty())
	clean, dirty = clean[:min(len(clean), 800)], dirty[:min(len(dirty), 1500)] // small seeds keep the fuzzer quick
	for _, seed := range []string{
		"", "\n", header, "\ufeff" + header + lineOf("1"), header + lineOf("1") + lineOf("C2") + lineOf("1"),
		strings.ReplaceAll(header+lineOf("1"), "\n", "\r\n"), "a,b\n1,2\n", string(clean), string(dirty),
		header + "1,B,\"TWO\nLINES\",1,2010-12-01 08:26:00,1,,EIRE\n" + lineOf("1"),
		header + "1,B,\"OPEN,1,2010-12-01 08:26:00,1,,EIRE\n" + lineOf("1") + "1,B,\"QUOTED\",1,2010-12-01 08:26:00,1,,EIRE\n",
		header + "1,B,6\" RULER,1,2010-12-01 08:26:00,1,,EIRE\n\x00\n\xff\n" + lineOf("1"),
		header + "A1,B,,1,2010-12-01 08:26:00,-11062.06,,EIRE\n1,B,,1,2010-12-01 08:26:00,-1,,EIRE\n",
		header + "1,B,,-9223372036854775808,2010-12-01 08:26:00,9223372036854775.807,,EIRE\n",
		string(compressed(f, clean)), string(compressed(f, clean)[:100]), "\x1f\x8b", "PK\x03\x04",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		got := read(string(file))
		checkError(t, got.err)
		starts := checkReading(t, got)
		slow := retail.NewReader(iotest.HalfReader(bytes.NewReader(file)))
		var again []retail.Invoice
		for invoice, err := range slow.Invoices() {
			if err == nil {
				again = append(again, invoice)
			}
		}
		if diff := cmp.Diff(got.invoices, again); diff != "" {
			t.Fatalf("another way to be fed the same bytes (-want +got):\n%s", diff)
		}
		plain, whole := unzipped(file)
		if got.err == nil && !whole {
			t.Fatal("a broken gzip file was read without an error")
		}
		if got.err == nil {
			checkLines(t, plain, starts)
		}
	})
}

func unzipped(file []byte) (plain []byte, whole bool) {
	if !bytes.HasPrefix(file, []byte("\x1f\x8b")) {
		return file, true
	}
	reader, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, false
	}
	plain, err = io.ReadAll(reader)
	return plain, err == nil
}

func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, retail.ErrHeader) {
		return
	}
	if _, ok := errors.AsType[*retail.InputError](err); !ok {
		t.Fatalf("the error is %#v, want a HeaderError or an InputError", err)
	}
}

// checkReading checks what holds for every file, and gives the lines that something begins on, in order.
func checkReading(t *testing.T, got reading) []int {
	t.Helper()
	var starts []int
	invoices := got.invoices
	if inputError, ok := errors.AsType[*retail.InputError](got.err); ok {
		invoices = append(slices.Clone(invoices), inputError.Incomplete...)
	}
	for _, invoice := range invoices {
		if invoice.Number == "" || invoice.Country == "" || len(invoice.Lines) == 0 {
			t.Fatalf("half an invoice: %+v", invoice)
		}
		if _, err := invoice.Net(); err != nil {
			t.Fatalf("net of %+v: %v", invoice, err)
		}
		for i, line := range invoice.Lines {
			if i > 0 && line.FileLine <= invoice.Lines[i-1].FileLine {
				t.Fatalf("the lines are not in file order: %+v", invoice)
			}
			if line.StockCode == "" || !utf8.ValidString(line.Description) || strings.Contains(line.Description, "\x00") {
				t.Fatalf("a bad line: %+v", line)
			}
			if line.Price < 0 && invoice.Kind != retail.Adjustment {
				t.Fatalf("a negative price: %+v", invoice)
			}
			starts = append(starts, line.FileLine)
		}
	}
	for i, reject := range got.rejects {
		if i > 0 && reject.Line <= got.rejects[i-1].Line || reject.Reason == "" || len(reject.Raw) > 1024 {
			t.Fatalf("the rejects are %+v", got.rejects)
		}
		starts = append(starts, reject.Line)
	}
	slices.Sort(starts)
	if len(slices.Compact(slices.Clone(starts))) != len(starts) {
		t.Fatalf("a line was used twice: %v", starts)
	}
	return starts
}

// checkLines checks that every line is where something begins, or belongs to what begins before it.
func checkLines(t *testing.T, plain []byte, starts []int) {
	t.Helper()
	plain = bytes.TrimPrefix(plain, []byte("\ufeff"))
	begun := -1 // the line that what this line belongs to begins on
	lines := bytes.Split(plain, []byte("\n"))
	for i, line := range lines {
		_, starting := slices.BinarySearch(starts, i+1)
		header := begun < 0 && len(bytes.TrimSuffix(line, []byte("\r"))) > 0
		switch {
		case starting, header:
			begun = i
		case len(bytes.TrimSuffix(line, []byte("\r"))) > 0 && !bytes.Contains(lines[begun], []byte(`"`)):
			t.Fatalf("line %d, %q, is nowhere", i+1, line)
		}
	}
	if records, ok := recordsOf(plain); ok && !slices.Equal(records[1:], starts) {
		t.Fatalf("something begins on lines %v, encoding/csv sees records on %v", starts, records[1:])
	}
}

// recordsOf gives the lines that records begin on, if encoding/csv finds nothing wrong with the file, nor with its number of
// fields, and no record can be too long.
func recordsOf(plain []byte) (lines []int, ok bool) {
	reader := csv.NewReader(bytes.NewReader(plain))
	for {
		_, err := reader.Read()
		if err != nil {
			return lines, err == io.EOF && len(lines) > 0 && len(plain) <= 64<<10
		}
		line, _ := reader.FieldPos(0)
		lines = append(lines, line)
	}
}
