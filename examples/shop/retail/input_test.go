package retail_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file string
		want       *retail.HeaderError
	}{
		{name: "columns missing", file: "InvoiceNo,StockCode,Description,InvoiceDate,CustomerID,Country\n" + lineOf("1"), want: &retail.HeaderError{Missing: []string{"Quantity", "UnitPrice"}}},
		{name: "columns in another case", file: strings.ToLower(header), want: &retail.HeaderError{Missing: strings.Split(strings.TrimSpace(header), ",")}},
		{name: "no header", file: lineOf("1"), want: &retail.HeaderError{Missing: strings.Split(strings.TrimSpace(header), ",")}},
		{name: "empty file", file: "", want: &retail.HeaderError{Missing: strings.Split(strings.TrimSpace(header), ",")}},
		{name: "byte order mark alone", file: "\ufeff", want: &retail.HeaderError{Missing: strings.Split(strings.TrimSpace(header), ",")}},
		{name: "column twice", file: "Country," + header, want: &retail.HeaderError{Repeated: []string{"Country"}}},
		{name: "binary file", file: "PK\x03\x04\x00\x00\n", want: &retail.HeaderError{Reason: "a NUL byte"}},
		{name: "UTF-16", file: "\xff\xfeI\x00n\x00", want: &retail.HeaderError{Reason: "a NUL byte"}},
		{name: "one endless line", file: strings.Repeat("x", 1<<20), want: &retail.HeaderError{Reason: "longer than 64 KiB"}},
		{name: "broken quotes", file: "InvoiceNo,\"Stock\"Code\n", want: &retail.HeaderError{Reason: "a quoted field that is not closed, or goes on after its closing quote"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := read(test.file)
			if !errors.Is(got.err, retail.ErrHeader) || len(got.invoices)+len(got.rejects) > 0 {
				t.Fatalf("read %+v, want ErrHeader and nothing else", got)
			}
			headerError, _ := errors.AsType[*retail.HeaderError](got.err)
			if diff := cmp.Diff(test.want, headerError); diff != "" {
				t.Error(diff)
			}
		})
	}
	missing := &retail.HeaderError{Missing: []string{"Quantity", "UnitPrice"}, Repeated: []string{"Country"}}
	if diff := cmp.Diff("header of the retail file: missing Quantity, UnitPrice; more than one Country", missing.Error()); diff != "" {
		t.Error(diff)
	}
}

// TestSameInvoices reads the same lines written in other ways.
func TestSameInvoices(t *testing.T) {
	t.Parallel()
	plain := header + lineOf("1") + lineOf("1") + lineOf("2")
	want := read(plain)
	if len(want.invoices) != 2 {
		t.Fatalf("read %+v", want)
	}
	reordered := "Shop,Country,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo,\n"
	for _, number := range []string{"1", "1", "2"} {
		reordered += "7,United Kingdom,17850.0,2.55,2010-12-01 08:26:00,6,HEART,85123A," + number + ",x\n"
	}
	for name, file := range map[string]string{
		"byte order mark":                 "\ufeff" + plain,
		"CRLF":                            strings.ReplaceAll(plain, "\n", "\r\n"),
		"byte order mark and CRLF":        "\ufeff" + strings.ReplaceAll(plain, "\n", "\r\n"),
		"no newline at the end":           strings.TrimSuffix(plain, "\n"),
		"no newline at the end, but a CR": strings.TrimSuffix(plain, "\n") + "\r",
		"columns reordered, others added": reordered,
		"all quoted":                      `"` + strings.TrimSuffix(strings.NewReplacer(",", `","`, "\n", "\"\n\"").Replace(plain), `"`),
		"compressed":                      string(compressed(t, []byte(plain))),
		"compressed in two parts":         string(compressed(t, []byte(plain[:200]))) + string(compressed(t, []byte(plain[200:]))),
	} {
		if diff := cmp.Diff(want, read(file), cmp.AllowUnexported(reading{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := read("\n\n" + plain + "\n"); len(got.invoices) != 2 || len(got.rejects) > 0 || got.invoices[0].Lines[0].FileLine != 4 {
		t.Errorf("empty lines around it: %+v", got)
	}
}

func TestSmallReads(t *testing.T) {
	t.Parallel()
	file, totals := generated(t, 300, 1, retail.Dirty())
	for name, source := range map[string]io.Reader{
		"one byte":       iotest.OneByteReader(bytes.NewReader(file)),
		"half":           iotest.HalfReader(bytes.NewReader(file)),
		"data with EOF":  iotest.DataErrReader(bytes.NewReader(file)),
		"one byte of gz": iotest.OneByteReader(bytes.NewReader(compressed(t, file))),
	} {
		tally := newTally()
		var rejected []int
		for invoice, err := range retail.NewReader(source, retail.OnReject(func(reject retail.Reject) {
			rejected = append(rejected, reject.Line)
		})).Invoices() {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			tally.add(t, invoice)
		}
		got := tally.totals()
		got.RejectedLines = rejected
		if diff := cmp.Diff(totals, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestTruncated cuts a compressed file at many places. What was complete is delivered, and what was open is in the error.
func TestTruncated(t *testing.T) {
	t.Parallel()
	plain, _ := generated(t, 150, 1)
	whole := read(string(plain))
	file := compressed(t, plain)
	for cut := 2; cut < len(file); cut += 1 + cut/4 {
		got := read(string(file[:cut]))
		if !errors.Is(got.err, retail.ErrTruncated) || !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: the error is %v, want ErrTruncated", cut, got.err)
		}
		checkBrokenOff(t, whole, got)
	}
	got := read(string(file[:len(file)-1]))
	if inputError, ok := errors.AsType[*retail.InputError](got.err); !ok || inputError.Line != bytes.Count(plain, []byte{'\n'})+1 {
		t.Errorf("without its last byte: %v, want all lines read", got.err)
	}
	checkBrokenOff(t, whole, got)
}

// checkBrokenOff compares what a broken file gave with what the whole file gives.
func checkBrokenOff(t *testing.T, whole, got reading) {
	t.Helper()
	inputError, ok := errors.AsType[*retail.InputError](got.err)
	if !ok {
		t.Fatalf("the error is %v, want an InputError", got.err)
	}
	if len(got.rejects) > 0 {
		t.Errorf("broken off at line %d: rejected %+v", inputError.Line, got.rejects)
	}
	if diff := cmp.Diff(whole.invoices[:len(got.invoices)], got.invoices, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("broken off at line %d: the complete invoices (-want +got):\n%s", inputError.Line, diff)
	}
	lines := 0
	for _, invoice := range got.invoices {
		lines += len(invoice.Lines)
	}
	for _, invoice := range inputError.Incomplete {
		lines += len(invoice.Lines)
	}
	if want := max(inputError.Line-2, 0); lines != want {
		t.Errorf("broken off at line %d: %d lines in invoices, want all %d before it", inputError.Line, lines, want)
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	plain, _ := generated(t, 150, 1)
	whole := read(string(plain))
	file := compressed(t, plain)
	checksum := bytes.Clone(file)
	checksum[len(file)-8] ^= 1
	data := bytes.Clone(file)
	for i := range 64 {
		data[len(file)/2+i] = 0xff
	}
	for name, damaged := range map[string][]byte{
		"checksum":       checksum,
		"data":           data,
		"trailing text":  append(bytes.Clone(file), "and more text"...),
		"only the magic": []byte("\x1f\x8b and then some text"),
	} {
		got := read(string(damaged))
		if !errors.Is(got.err, retail.ErrDamaged) {
			t.Errorf("%s: the error is %v, want ErrDamaged", name, got.err)
		}
		if name != "data" { // which comes out of damaged data before the decompressor notices
			checkBrokenOff(t, whole, got)
		}
	}
}

func TestSourceError(t *testing.T) {
	t.Parallel()
	unplugged := errors.New("unplugged")
	plain, _ := generated(t, 100, 1)
	whole := read(string(plain))
	for _, cut := range []int{0, 1, 2, 30, 500, 12_345, len(plain)} {
		source := io.MultiReader(bytes.NewReader(plain[:cut]), iotest.ErrReader(unplugged))
		var got reading
		reader := retail.NewReader(source)
		for invoice, err := range reader.Invoices() {
			if err != nil {
				got.err = err
				break
			}
			got.invoices = append(got.invoices, invoice)
		}
		if !errors.Is(got.err, unplugged) {
			t.Errorf("after %d bytes: the error is %v, want the source's", cut, got.err)
			continue
		}
		checkBrokenOff(t, whole, got)
		for invoice, again := range reader.Invoices() {
			if !errors.Is(again, got.err) || invoice.Number != "" {
				t.Errorf("after %d bytes: a second loop gave %v, %v, want the same error", cut, invoice, again)
			}
		}
	}
	wrapped := fmt.Errorf("connection lost: %w", io.EOF)
	if got := readFrom(io.MultiReader(strings.NewReader(header+lineOf("1")), iotest.ErrReader(wrapped))); !errors.Is(got.err, wrapped) {
		t.Errorf("a source whose error wraps io.EOF: %v, want a break", got.err)
	}
	for _, err := range retail.NewReader(idleReader{}).Invoices() {
		if !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("a source that gives nothing: %v, want io.ErrNoProgress", err)
		}
	}
}

func TestBrokenOffWithinQuotes(t *testing.T) {
	t.Parallel()
	unplugged := errors.New("unplugged")
	text := header + lineOf("1") + "1,B,\"TWO\nLI"
	for _, err := range retail.NewReader(io.MultiReader(strings.NewReader(text), iotest.ErrReader(unplugged)), retail.OnReject(func(reject retail.Reject) {
		t.Errorf("rejected %+v, want the break to be the answer", reject)
	})).Invoices() {
		inputError, ok := errors.AsType[*retail.InputError](err)
		if !ok || inputError.Line != 3 || len(inputError.Incomplete) != 1 || len(inputError.Incomplete[0].Lines) != 1 {
			t.Errorf("the error is %#v, want line 3 and one invoice incomplete", err)
		}
	}
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }
