package importer

import (
	"encoding/csv"
	"os"
	"strconv"
	"sync"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

// Rejects writes what an import does not accept to a CSV file: line, invoice, reason, row. The file is made with the first of
// them. It is safe for concurrent use.
type Rejects struct {
	path string

	mu    sync.Mutex
	file  *os.File
	out   *csv.Writer
	count int64
	err   error
}

// RejectsTo names the file rejects go to. What an earlier import left there is replaced, or removed when there are none.
func RejectsTo(path string) *Rejects { return &Rejects{path: path} }

// Row takes a row that could not be read.
func (r *Rejects) Row(reject retail.Reject) {
	r.write(reject.Line, reject.Invoice, reject.Reason, reject.Raw)
}

// Invoice takes all rows of an invoice whose command was not accepted.
func (r *Rejects) Invoice(invoice retail.Invoice, reason error) {
	for _, line := range invoice.Lines {
		r.write(line.FileLine, invoice.Number, reason.Error(), "")
	}
}

func (r *Rejects) write(line int, invoice, reason, row string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if r.err != nil {
		return
	}
	if r.file == nil {
		if r.file, r.err = os.Create(r.path); r.err != nil {
			return
		}
		r.out = csv.NewWriter(r.file)
		r.err = r.out.Write([]string{"line", "invoice", "reason", "row"})
	}
	if r.err == nil {
		r.err = r.out.Write([]string{strconv.Itoa(line), invoice, reason, row})
	}
}

// Count returns how many rows were rejected.
func (r *Rejects) Count() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Err returns why rejects could not be written, if they could not.
func (r *Rejects) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close completes the file.
func (r *Rejects) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		if r.count == 0 {
			_ = os.Remove(r.path) // there may be none
		}
		return r.err
	}
	r.out.Flush()
	err := r.out.Error()
	if closing := r.file.Close(); err == nil {
		err = closing
	}
	r.file = nil
	if r.err == nil {
		r.err = err
	}
	return r.err
}
