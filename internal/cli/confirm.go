package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
)

// errUnasked refuses what is only done after a question that nobody can be asked.
func errUnasked() error {
	return usagef("nobody to ask: there is no terminal: say --yes to do it unasked")
}

// interactive reports whether somebody can be asked.
func (s *stdio) interactive() bool {
	file, ok := s.in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && s.err.isTerminal()
}

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 100

// confirm asks a question and reports whether the answer is yes. An end of input without an answer is an error.
func (s *stdio) confirm(ctx context.Context, question string) (bool, error) {
	s.err.printf("%s [y/N] ", printable(question))
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() { // a read cannot be broken off: it is left behind
		line, err := bufio.NewReader(io.LimitReader(s.in, maxAnswer)).ReadString('\n')
		read <- answer{line, err}
	}()
	select {
	case a := <-read:
		if errors.Is(a.err, io.EOF) && a.line == "" {
			s.err.printf("\n")
			return false, errUnasked() // the null device passes for a terminal
		}
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return false, a.err
		}
		line := strings.ToLower(strings.TrimSpace(a.line))
		return line == "y" || line == "yes", nil
	case <-ctx.Done():
		s.err.printf("\n")
		return false, ctx.Err()
	}
}
