package retail_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

func generated(tb testing.TB, invoices int, seed uint64, options ...retail.GenerateOption) ([]byte, retail.Totals) {
	tb.Helper()
	var file bytes.Buffer
	totals, err := retail.Generate(&file, invoices, seed, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return file.Bytes(), totals
}

func compressed(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	var file bytes.Buffer
	writer := gzip.NewWriter(&file)
	if _, err := writer.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

func TestGeneratedFilesGiveTheirTotals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		invoices int
		seed     uint64
		options  []retail.GenerateOption
		compress bool
	}{
		{name: "nothing", invoices: 0, seed: 1},
		{name: "one", invoices: 1, seed: 1},
		{name: "few", invoices: 7, seed: 2},
		{name: "clean", invoices: 2000, seed: 3},
		{name: "clean, compressed", invoices: 2000, seed: 4, compress: true},
		{name: "dirty", invoices: 2000, seed: 5, options: []retail.GenerateOption{retail.Dirty()}},
		{name: "dirty, compressed", invoices: 2000, seed: 6, options: []retail.GenerateOption{retail.Dirty()}, compress: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, want := generated(t, test.invoices, test.seed, test.options...)
			if test.compress {
				file = compressed(t, file)
			}
			var rejected []int
			reader := retail.NewReader(bytes.NewReader(file), retail.OnReject(func(reject retail.Reject) {
				rejected = append(rejected, reject.Line)
			}))
			tally := newTally()
			for invoice, err := range reader.Invoices() {
				if err != nil {
					t.Fatal(err)
				}
				tally.add(t, invoice)
			}
			got := tally.totals()
			got.RejectedLines = rejected
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
			if got.Invoices() != test.invoices {
				t.Errorf("%d invoices, want %d", got.Invoices(), test.invoices)
			}
			progress := retail.Progress{
				Read: int64(len(file)), Lines: int64(got.Lines + len(rejected)),
				Invoices: int64(test.invoices), Rejected: int64(len(rejected)),
			}
			if diff := cmp.Diff(progress, reader.Progress()); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGeneratedFilesHaveTheShape(t *testing.T) {
	t.Parallel()
	file, totals := generated(t, 3000, 1, retail.Dirty())
	if totals.Orders < 2000 || totals.CreditNotes < 300 || totals.WriteOffs < 75 || totals.Adjustments != 3 {
		t.Errorf("the kinds are %+v", totals)
	}
	if totals.Countries < 4 || totals.Customers < 300 || totals.Days < 20 || totals.Products < 300 || len(totals.RejectedLines) < 1000 {
		t.Errorf("the totals are %+v", totals)
	}
	reasons := map[string]bool{}
	for _, err := range retail.NewReader(bytes.NewReader(file), retail.OnReject(func(reject retail.Reject) {
		reasons[reject.Reason] = true
	})).Invoices() {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(reasons) < 23 {
		t.Errorf("%d different reasons to reject a line, want at least the 23 sorts of bad line", len(reasons))
	}
	clean, totals := generated(t, 3000, 1)
	returned, spanned := 0, 0
	dates := map[string]string{}
	previous := ""
	for _, line := range bytes.Split(clean, []byte("\n"))[1 : totals.Lines+1] {
		number, _, _ := bytes.Cut(line, []byte(","))
		date := string(line[bytes.Index(line, []byte(",201"))+1:][:19])
		if known, ok := dates[string(number)]; ok && string(number) != previous {
			returned++
		} else if ok && known != date {
			spanned++
		}
		previous, dates[string(number)] = string(number), date
	}
	if returned == 0 || spanned == 0 {
		t.Errorf("%d invoices come back and %d span two minutes, want some of both", returned, spanned)
	}
}

func TestGenerateIsReproducible(t *testing.T) {
	t.Parallel()
	first, totals := generated(t, 300, 9, retail.Dirty())
	second, same := generated(t, 300, 9, retail.Dirty())
	if !bytes.Equal(first, second) || cmp.Diff(totals, same) != "" {
		t.Error("the same arguments gave two different files")
	}
	if other, _ := generated(t, 300, 10, retail.Dirty()); bytes.Equal(first, other) {
		t.Error("another seed gave the same file")
	}
}

func TestGenerateGivesTheWritersError(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for _, options := range [][]retail.GenerateOption{nil, {retail.Dirty()}} {
		if _, err := retail.Generate(failingWriter{full}, 100, 1, options...); !errors.Is(err, full) {
			t.Errorf("the error is %v, want the writer's", err)
		}
	}
	if _, err := retail.Generate(io.Discard, 100, 1); err != nil {
		t.Errorf("the error is %v, want none", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
