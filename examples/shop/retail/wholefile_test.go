package retail_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

// wholeFile is the path of the real retailer's file, which is not part of the repository.
func wholeFile(tb testing.TB) string {
	tb.Helper()
	if path, ok := os.LookupEnv("CARILLON_RETAIL_FILE"); ok {
		return path
	}
	const path = "../../../../shared/data/online-retail.csv.gz"
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		tb.Skipf("the retail file is not at %s; CARILLON_RETAIL_FILE may name it", path)
	}
	return path
}

func TestWholeFile(t *testing.T) {
	t.Parallel()
	reader, err := retail.Open(wholeFile(t), retail.OnReject(func(reject retail.Reject) { t.Errorf("rejected: %+v", reject) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	got := newTally()
	for invoice, err := range reader.Invoices() {
		if err != nil {
			t.Fatal(err)
		}
		got.add(t, invoice)
		if invoice.Number == "542806" && len(invoice.Lines) != 39 {
			t.Errorf("invoice 542806, which comes back after other lines, has %d lines, want 39", len(invoice.Lines))
		}
	}
	want := retail.Totals{
		Orders: 20_725, CreditNotes: 3_836, Adjustments: 3, WriteOffs: 1_336, Lines: 541_909,
		Countries: 38, Products: 4_070, Customers: 4_372, Days: 305, Net: 9_747_747_934,
	}
	if diff := cmp.Diff(want, got.totals()); diff != "" {
		t.Error(diff)
	}
	progress := reader.Progress()
	if progress.Read != progress.Size || progress.Size == 0 {
		t.Errorf("read %d bytes of %d", progress.Read, progress.Size)
	}
	if progress.Lines != 541_909 || progress.Invoices != 25_900 || progress.Rejected != 0 {
		t.Errorf("progress at the end is %+v", progress)
	}
}

func BenchmarkWholeFile(b *testing.B) {
	path := wholeFile(b)
	b.ReportAllocs()
	for b.Loop() {
		reader, err := retail.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range reader.Invoices() {
			if err != nil {
				b.Fatal(err)
			}
		}
		lines := reader.Progress().Lines
		if err := reader.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(lines), "lines/op")
	}
}
