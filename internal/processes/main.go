//go:build unix

package processes

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// Main is the whole TestMain of a package with workers: it runs the tests, or does the job that the variable holds until standard input
// ends, which it does with the parent, or SIGTERM comes.
func Main(m *testing.M, variable string, work func(ctx context.Context, job string) error) {
	job := os.Getenv(variable)
	if job == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := work(ctx, job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
