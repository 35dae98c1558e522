package retail_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

// reading is all that a file gives.
type reading struct {
	invoices []retail.Invoice
	rejects  []retail.Reject
	err      error
}

func read(file string) reading { return readFrom(strings.NewReader(file)) }

func readFrom(source io.Reader) reading {
	var all reading
	reader := retail.NewReader(source, retail.OnReject(func(reject retail.Reject) {
		all.rejects = append(all.rejects, reject)
	}))
	for invoice, err := range reader.Invoices() {
		if err != nil {
			all.err = err
			continue
		}
		all.invoices = append(all.invoices, invoice)
	}
	return all
}

// numbers says which invoices were read, and how many lines each has.
func (r reading) numbers() []string {
	var numbers []string
	for _, invoice := range r.invoices {
		numbers = append(numbers, fmt.Sprintf("%s×%d", invoice.Number, len(invoice.Lines)))
	}
	return numbers
}

// lineOf is a good line of an invoice.
func lineOf(number string) string {
	return number + ",85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
}

func TestInvoices(t *testing.T) {
	t.Parallel()
	got := read(header +
		"536365,85123A,\"HEART, 7\"\" \",6,2010-12-01 08:27:00,2.55,17850.0,United Kingdom\n" +
		"536365,85123a,,-2,2010-12-01 08:26:00,0.001,17850,United Kingdom\n" +
		"C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,,EIRE\n")
	want := reading{invoices: []retail.Invoice{
		{
			Number: "536365", Kind: retail.Order, Time: time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC),
			Customer: "17850", Country: "United Kingdom", Lines: []retail.Line{
				{StockCode: "85123A", Description: `HEART, 7" `, Quantity: 6, Price: 2550, FileLine: 2},
				{StockCode: "85123a", Quantity: -2, Price: 1, FileLine: 3},
			},
		},
		{
			Number: "C536379", Kind: retail.CreditNote, Time: time.Date(2010, 12, 1, 9, 41, 0, 0, time.UTC),
			Country: "EIRE", Lines: []retail.Line{
				{StockCode: "D", Description: "Discount", Quantity: -1, Price: 27500, FileLine: 4},
			},
		},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(reading{})); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{"15.298", "-27.50"} {
		if net, err := got.invoices[i].Net(); err != nil || net.String() != want {
			t.Errorf("net of %s is %v, %v; want %s", got.invoices[i].Number, net, err, want)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, number string
		lines        []string // quantity and price
		want         retail.Kind
	}{
		{name: "order", number: "1", lines: []string{"6,2.55"}, want: retail.Order},
		{name: "order without price", number: "1", lines: []string{"6,0"}, want: retail.Order},
		{name: "credit note", number: "C1", lines: []string{"-6,2.55"}, want: retail.CreditNote},
		{name: "credit note without price", number: "C1", lines: []string{"-6,0"}, want: retail.CreditNote},
		{name: "adjustment", number: "A1", lines: []string{"1,-11062.06"}, want: retail.Adjustment},
		{name: "adjustment without price", number: "A1", lines: []string{"-1,0"}, want: retail.Adjustment},
		{name: "write-off", number: "1", lines: []string{"-6,0.0", "-1,0"}, want: retail.WriteOff},
		{name: "some quantities negative", number: "1", lines: []string{"-6,0", "1,0"}, want: retail.Order},
		{name: "negative quantities with a price", number: "1", lines: []string{"-6,0", "-6,2.55"}, want: retail.Order},
		{name: "no quantity", number: "1", lines: []string{"0,0"}, want: retail.Order},
		{name: "lower case letter", number: "c1", lines: []string{"6,2.55"}, want: retail.Order},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := header
			for _, line := range test.lines {
				quantity, price, _ := strings.Cut(line, ",")
				file += fmt.Sprintf("%s,B,,%s,2010-12-01 08:26:00,%s,,EIRE\n", test.number, quantity, price)
			}
			got := read(file)
			if len(got.invoices) != 1 || len(got.rejects) != 0 || got.err != nil {
				t.Fatalf("read %+v", got)
			}
			if got.invoices[0].Kind != test.want {
				t.Errorf("it is a %v, want a %v", got.invoices[0].Kind, test.want)
			}
		})
	}
}

func TestInvoiceIsCompleteAfterHundredLines(t *testing.T) {
	t.Parallel()
	others := func(lines int) string {
		var file strings.Builder
		for i := range lines {
			file.WriteString(lineOf(fmt.Sprintf("9%05d", i/10)))
		}
		return file.String()
	}
	bad := strings.ReplaceAll(lineOf("1"), ",6,", ",six,")
	for _, test := range []struct {
		name, file string
		want       []string // invoices 1 and 2, in order
	}{
		{name: "at once", file: lineOf("1") + lineOf("1"), want: []string{"1×2"}},
		{name: "after others", file: lineOf("1") + lineOf("2") + lineOf("1") + lineOf("2") + lineOf("1"), want: []string{"2×2", "1×3"}},
		{name: "after 99", file: lineOf("1") + others(99) + lineOf("1"), want: []string{"1×2"}},
		{name: "after 100", file: lineOf("1") + others(100) + lineOf("1"), want: []string{"1×1", "1×1"}},
		{name: "after 99 twice", file: lineOf("1") + others(99) + lineOf("1") + others(99) + lineOf("1"), want: []string{"1×3"}},
		{name: "rejected lines pass", file: lineOf("1") + strings.Repeat("bad\n", 100) + lineOf("1"), want: []string{"1×1", "1×1"}},
		{name: "empty lines do not pass", file: lineOf("1") + strings.Repeat("\n", 100) + lineOf("1"), want: []string{"1×2"}},
		{name: "a rejected line is one of its own", file: lineOf("1") + others(99) + bad + others(99) + lineOf("1"), want: []string{"1×2"}},
		{name: "ordered by the last line", file: lineOf("1") + lineOf("2") + others(50) + lineOf("1") + others(200), want: []string{"2×1", "1×2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := read(header + test.file)
			if got.err != nil {
				t.Fatal(got.err)
			}
			numbers := slices.DeleteFunc(got.numbers(), func(number string) bool { return number[0] == '9' })
			if diff := cmp.Diff(test.want, numbers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLeavingTheLoop(t *testing.T) {
	t.Parallel()
	file, totals := generated(t, 200, 1)
	reader := retail.NewReader(bytes.NewReader(file))
	tally := newTally()
	for done := false; !done; {
		done = true
		for invoice, err := range reader.Invoices() {
			if err != nil {
				t.Fatal(err)
			}
			tally.add(t, invoice)
			done = false
			break
		}
	}
	if diff := cmp.Diff(totals, tally.totals()); diff != "" {
		t.Errorf("a loop left after every invoice (-want +got):\n%s", diff)
	}
}

func TestInvoicesBelongToTheReceiver(t *testing.T) {
	t.Parallel()
	file, _ := generated(t, 500, 1)
	var kept, copied []retail.Invoice
	for invoice, err := range retail.NewReader(bytes.NewReader(file)).Invoices() {
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, invoice)
		invoice.Lines = slices.Clone(invoice.Lines)
		copied = append(copied, invoice)
	}
	if diff := cmp.Diff(copied, kept); diff != "" {
		t.Errorf("invoices changed after they were delivered:\n%s", diff)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	file, totals := generated(t, 2000, 1)
	path := filepath.Join(t.TempDir(), "retail.csv")
	if err := os.WriteFile(path, compressed(t, file), 0o600); err != nil {
		t.Fatal(err)
	}
	size := int64(len(compressed(t, file)))
	reader, err := retail.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	last, grown := retail.Progress{Size: size}, 0
	for _, err := range reader.Invoices() {
		if err != nil {
			t.Fatal(err)
		}
		now := reader.Progress()
		if now.Invoices != last.Invoices+1 || now.Lines < last.Lines || now.Read < last.Read || now.Read > size || now.Size != size {
			t.Fatalf("progress went from %+v to %+v", last, now)
		}
		if now.Read > last.Read {
			grown++
		}
		last = now
	}
	if want := (retail.Progress{Read: size, Size: size, Lines: int64(totals.Lines), Invoices: 2000}); reader.Progress() != want {
		t.Errorf("progress at the end is %+v, want %+v", reader.Progress(), want)
	}
	if grown < 4 {
		t.Errorf("the bytes read grew %d times, want a bar to move", grown)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := retail.Open(filepath.Join(directory, "absent.csv")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v, want fs.ErrNotExist", err)
	}
	if _, err := retail.Open(directory); err == nil {
		t.Error("a directory was opened as a retail file")
	}
	if _, err := retail.Open(write("bad.csv", "a,b,c\n")); !errors.Is(err, retail.ErrHeader) {
		t.Errorf("a file without header: %v, want ErrHeader", err)
	}
	for name, content := range map[string]string{
		"plain.csv.gz": header + lineOf("1"), "zipped.csv": string(compressed(t, []byte(header+lineOf("1")))),
	} {
		reader, err := retail.Open(write(name, content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		count := 0
		for _, err := range reader.Invoices() {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			count++
		}
		if count != 1 {
			t.Errorf("%s has %d invoices, want 1 whatever its name", name, count)
		}
		if first, second := reader.Close(), reader.Close(); first != nil || second != nil {
			t.Errorf("closed twice: %v, %v", first, second)
		}
	}
}
