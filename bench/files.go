package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
)

// copyFile copies a file and flushes the copy, so that no case pays for the writing of another.
func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// openLogs are stores that stay open from run to run of a contest.
type openLogs struct {
	list []*product
}

func (l *openLogs) open(ctx context.Context, path string) (*product, error) {
	p, err := openProduct(ctx, path)
	if err == nil {
		l.list = append(l.list, p)
	}
	return p, err
}

func (l *openLogs) close() error {
	var err error
	for _, p := range l.list {
		err = errors.Join(err, p.close())
	}
	return err
}

// grouped writes a number with a comma between its thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
