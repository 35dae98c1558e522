package retail

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	maxRecord  = 64 << 10
	maxExcerpt = 1024
	bufferSize = 2 * maxRecord
	maxIdle    = 100 // reads in a row that give nothing
)

var (
	errTooLong = fmt.Errorf("longer than %d KiB", maxRecord>>10)
	errEnd     = errors.New("end of the file") // reached in good order
)

// records cuts a CSV file into records within a buffer of fixed size. Lines without quotes are split here; all others are
// left to encoding/csv, which is given one line at a time.
type records struct {
	source  io.Reader
	failure error // what the source ended with: errEnd or a break
	buffer  []byte
	end     int // of the bytes in the buffer

	start  int // of the record in the buffer
	length int // of the record so far, line ends included
	line   int // of the file, where the record starts
	lines  int // of the file, that the record takes so far

	quotes  *csv.Reader
	offered int   // bytes of the record that quotes has been given
	stopped error // why quotes was given no more

	columns   int // that a record must have, or 0
	fields    [][]byte
	unquoted  []byte // backs fields that had quotes
	excerpted []byte // what is kept of a line that is longer than the buffer
}

func newRecords(source io.Reader) *records {
	r := &records{source: source, buffer: make([]byte, bufferSize), line: 1}
	r.quotes = csv.NewReader(quotedLines{r})
	r.quotes.FieldsPerRecord = -1
	r.quotes.ReuseRecord = true
	return r
}

// skipMark passes over a byte order mark at the start of the file.
func (r *records) skipMark() {
	const mark = "\ufeff"
	for r.end < len(mark) && r.failure == nil {
		r.fill()
	}
	if bytes.HasPrefix(r.buffer[:r.end], []byte(mark)) {
		r.start = len(mark)
	}
}

// read goes to the next record that is not an empty line. The first result says why the record is to be rejected; otherwise
// fields hold it until the next call. The second is errEnd at the end of the file, and the source's error where it broke off,
// within the record or before it.
func (r *records) read() (broken, failure error) {
	for {
		r.start += r.length
		r.line += r.lines
		r.length, r.lines, r.offered = 0, 0, 0
		r.excerpted = r.excerpted[:0]
		err := r.take()
		if errors.Is(err, errTooLong) {
			return errTooLong, r.leaveLine()
		}
		if err != nil {
			return nil, err
		}
		if len(trimLineEnd(r.raw())) > 0 {
			break
		}
	}
	if bytes.IndexByte(r.raw(), '"') < 0 {
		r.split(trimLineEnd(r.raw()))
	} else if broken, failure = r.readQuoted(); broken != nil || failure != nil {
		return broken, failure
	}
	switch {
	case r.columns > 0 && len(r.fields) != r.columns:
		r.shorten(bytes.IndexByte(r.raw(), '\n') + 1)
		return fmt.Errorf("%d fields, the header has %d", len(r.fields), r.columns), nil
	case bytes.IndexByte(r.raw(), 0) >= 0:
		return errors.New("a NUL byte"), nil
	case !utf8.Valid(r.raw()):
		return errors.New("not UTF-8 text"), nil
	}
	return nil, nil
}

// raw is the record as the file has it. It is valid until the next take.
func (r *records) raw() []byte { return r.buffer[r.start : r.start+r.length] }

// excerpt copies the beginning of the record.
func (r *records) excerpt() string {
	raw := r.raw()
	if len(r.excerpted) > 0 {
		raw = r.excerpted
	}
	return string(trimLineEnd(raw[:min(len(raw), maxExcerpt)]))
}

func (r *records) split(line []byte) {
	r.fields = r.fields[:0]
	for {
		comma := bytes.IndexByte(line, ',')
		if comma < 0 {
			r.fields = append(r.fields, line)
			return
		}
		r.fields = append(r.fields, line[:comma])
		line = line[comma+1:]
	}
}

func (r *records) readQuoted() (broken, failure error) {
	first := r.length
	r.stopped = nil
	texts, err := r.quotes.Read()
	if err != nil {
		if r.stopped != nil && !errors.Is(r.stopped, errEnd) && !errors.Is(r.stopped, errTooLong) {
			return nil, r.stopped
		}
		r.shorten(first)
		if errors.Is(err, csv.ErrBareQuote) {
			return errors.New("a quote within an unquoted field"), nil
		}
		return errors.New("a quoted field that is not closed, or goes on after its closing quote"), nil
	}
	r.fields, r.unquoted = r.fields[:0], r.unquoted[:0]
	for _, text := range texts {
		r.unquoted = append(r.unquoted, text...)
	}
	rest := r.unquoted
	for _, text := range texts {
		r.fields = append(r.fields, rest[:len(text):len(text)])
		rest = rest[len(text):]
	}
	return nil, nil
}

// shorten gives back all lines of the record but the first, which is of that length; 0 stands for all there is.
func (r *records) shorten(first int) {
	if first > 0 && first < r.length {
		r.length, r.lines = first, 1
	}
}

// take adds the next line of the file to the record. The last line of the file needs no newline, unless the source broke off.
func (r *records) take() error {
	for searched := r.length; ; {
		length := r.end - r.start
		newline := bytes.IndexByte(r.buffer[r.start+searched:r.end], '\n')
		if newline >= 0 {
			length = searched + newline + 1
		} else if length <= maxRecord && r.failure == nil {
			searched = length
			r.fill()
			continue
		}
		switch {
		case length > maxRecord:
			return errTooLong
		case newline < 0 && (!errors.Is(r.failure, errEnd) || length == r.length):
			return r.failure
		}
		r.length = length
		r.lines++
		return nil
	}
}

// leaveLine makes all of a line that is too long the record, keeping only its beginning.
func (r *records) leaveLine() error {
	r.excerpted = append(r.excerpted, r.buffer[r.start:min(r.end, r.start+maxExcerpt)]...)
	for {
		if newline := bytes.IndexByte(r.buffer[r.start:r.end], '\n'); newline >= 0 {
			r.length, r.lines = newline+1, 1
			return nil
		}
		if errors.Is(r.failure, errEnd) {
			r.length, r.lines = r.end-r.start, 1
			return nil
		}
		if r.failure != nil {
			return r.failure
		}
		r.start = r.end
		r.fill()
	}
}

// fill reads more of the source behind what the buffer holds of the record.
func (r *records) fill() {
	if r.end == len(r.buffer) {
		r.end = copy(r.buffer, r.buffer[r.start:r.end])
		r.start = 0
	}
	for range maxIdle {
		n, err := r.source.Read(r.buffer[r.end:])
		r.end += n
		if r.failure = err; err == io.EOF { // itself: one that is wrapped is a break
			r.failure = errEnd
		}
		if n > 0 || err != nil {
			return
		}
	}
	r.failure = io.ErrNoProgress
}

// quotedLines hands encoding/csv the lines of the record, taking one more whenever it asks for more.
type quotedLines struct{ *records }

func (q quotedLines) Read(p []byte) (int, error) {
	if q.offered == q.length {
		if q.stopped = q.take(); q.stopped != nil {
			return 0, io.EOF
		}
	}
	n := copy(p, q.raw()[q.offered:])
	q.offered += n
	return n, nil
}

func trimLineEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}
