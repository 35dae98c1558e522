//go:build unix

package processes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Ledger keeps what was acknowledged, flushed to disk: a line for each number of an account. It is safe for concurrent use.
type Ledger struct {
	mu   sync.Mutex
	file *os.File
}

// OpenLedger opens a ledger to add to; what a process that died left of a line is removed.
func OpenLedger(path string) (*Ledger, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if whole := wholeLines(text); len(whole) < len(text) {
		if err := os.Truncate(path, int64(len(whole))); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &Ledger{file: file}, err
}

// ReadLedger returns the highest number acknowledged for each account. Those of an account are acknowledged in order, beginning with 1,
// which it checks. It may be called while somebody adds.
func ReadLedger(path string) (map[string]int64, error) {
	last := make(map[string]int64)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(wholeLines(text))); lines.Scan(); {
		account, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n != last[account]+1 {
			return nil, fmt.Errorf("ledger line %q does not follow on %d", lines.Text(), last[account])
		}
		last[account] = n
	}
	return last, nil
}

// wholeLines leaves out a line that has no end: the process died as it wrote.
func wholeLines(text []byte) []byte { return text[:bytes.LastIndexByte(text, '\n')+1] }

// Add notes the next number of an account. It returns when the line is flushed.
func (l *Ledger) Add(account string, n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.file, "%s %d\n", account, n); err != nil {
		return err
	}
	return l.file.Sync()
}
