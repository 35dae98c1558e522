package retail

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync/atomic"
)

// Reader reads invoices from a retail file. It belongs to one goroutine, save for [Reader.Progress].
type Reader struct {
	input    *countingReader
	closer   io.Closer
	size     int64
	onReject func(Reject)

	records  *records
	rows     *rows
	assembly assembly
	err      error // that ended the reading; errEnd at the end of the file

	lines, invoices, rejected atomic.Int64
}

// Option sets up a Reader.
type Option interface{ apply(*Reader) }

type optionFunc func(*Reader)

func (f optionFunc) apply(r *Reader) { f(r) }

// OnReject has a function called for every line that is in no invoice, in file order, while the invoices are read. By default
// such lines are only counted.
func OnReject(f func(Reject)) Option {
	return optionFunc(func(r *Reader) { r.onReject = f })
}

// NewReader reads a retail file, plain or compressed with gzip, from any source. It reads nothing yet: a header that lacks
// columns is the first error of [Reader.Invoices].
func NewReader(source io.Reader, options ...Option) *Reader {
	r := &Reader{input: &countingReader{source: source}, onReject: func(Reject) {}}
	for _, option := range options {
		option.apply(r)
	}
	return r
}

// Open opens a retail file, plain or compressed with gzip whatever its name, and reads its header. The caller closes the
// Reader. The error is a [*HeaderError], an [*InputError] or that of the file.
func Open(path string, options ...Option) (*Reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("retail file: %w", err)
	}
	r := NewReader(file, options...)
	r.closer = file
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		r.size = info.Size()
	}
	if err := r.begin(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close closes the file of [Open]. It may be called twice.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	closer := r.closer
	r.closer = nil
	return closer.Close()
}

// Progress says how far a reader has come.
type Progress struct {
	// Read is how many bytes of the file have been read, compressed as they are. Size is how many there are, or 0 where that is
	// not known.
	Read, Size int64
	// Lines counts the invoice lines read, rejected ones included. Invoices and Rejected count what was delivered.
	Lines, Invoices, Rejected int64
}

// Progress says how far the reader has come. It may be called from any goroutine at any time.
func (r *Reader) Progress() Progress {
	return Progress{
		Read: r.input.count.Load(), Size: r.size,
		Lines: r.lines.Load(), Invoices: r.invoices.Load(), Rejected: r.rejected.Load(),
	}
}

// Invoices reads to the end of the file, or until the loop is left; a second loop goes on where the first was left. The last
// pair holds an error and no invoice if the input broke off, and is the only such pair. The error is a [*HeaderError] or an
// [*InputError].
func (r *Reader) Invoices() iter.Seq2[Invoice, error] {
	return func(yield func(Invoice, error) bool) {
		for {
			invoice, err := r.next()
			if errors.Is(err, errEnd) || !yield(invoice, err) || err != nil {
				return
			}
		}
	}
}

func (r *Reader) next() (Invoice, error) {
	if r.records == nil && r.err == nil {
		r.err = r.begin()
	}
	for {
		if invoice, ok := r.assembly.complete(errors.Is(r.err, errEnd)); ok {
			r.publish()
			r.invoices.Add(1)
			return invoice, nil
		}
		if r.err != nil {
			r.publish()
			return Invoice{}, r.err
		}
		r.err = r.readRow()
	}
}

// publish shows the count of lines, which is kept in a plain variable while it grows.
func (r *Reader) publish() { r.lines.Store(r.assembly.passed) }

// readRow brings one record into the assembly or to the rejects.
func (r *Reader) readRow() error {
	broken, failure := r.records.read()
	if failure != nil {
		return r.inputError(failure)
	}
	var parsed row
	if broken == nil {
		parsed, broken = r.rows.parse(r.records.fields)
	}
	if broken != nil {
		r.assembly.pass(parsed.number)
	} else {
		parsed.line.FileLine = r.records.line
		broken = r.assembly.add(parsed)
	}
	if broken != nil {
		r.rejected.Add(1)
		r.onReject(Reject{
			Line: r.records.line, Reason: broken.Error(), Invoice: string(parsed.number), Raw: r.records.excerpt(),
		})
	}
	return nil
}

// begin finds out what the file is and reads its header.
func (r *Reader) begin() error {
	source, err := decompressed(r.input)
	r.records = newRecords(source)
	if err != nil {
		return r.inputError(err)
	}
	r.records.skipMark()
	broken, failure := r.records.read()
	switch {
	case errors.Is(failure, errEnd):
		_, err := newRows(nil)
		return err
	case failure != nil:
		return r.inputError(failure)
	case broken != nil:
		return &HeaderError{Reason: broken.Error()}
	}
	r.records.columns = len(r.records.fields)
	r.rows, err = newRows(r.records.fields)
	return err
}

// inputError tells the end of the file, which passes as it is, from a break.
func (r *Reader) inputError(failure error) error {
	if errors.Is(failure, errEnd) {
		return failure
	}
	return &InputError{Line: r.records.line, Incomplete: r.assembly.rest(), Err: failure}
}

// decompressed looks at the first two bytes: gzip's own, or it is plain.
func decompressed(input io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(input, maxRecord)
	start, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return buffered, err
	}
	if string(start) != "\x1f\x8b" {
		return buffered, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return buffered, gzipError(err)
	}
	return gzipReader{unzipped}, nil
}

// gzipReader tells what is wrong with a compressed file in this package's words.
type gzipReader struct{ source io.Reader }

func (g gzipReader) Read(p []byte) (int, error) {
	n, err := g.source.Read(p)
	return n, gzipError(err)
}

func gzipError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w (%w)", ErrTruncated, err)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return err
}

// countingReader counts what has been read, for any goroutine to see.
type countingReader struct {
	source io.Reader
	count  atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.count.Add(int64(n))
	return n, err
}
