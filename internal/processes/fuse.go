//go:build unix

package processes

import (
	"context"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Fuse ends the process at one named point, or holds it there. It is safe for concurrent use.
type Fuse struct {
	point string
	hold  string
	left  atomic.Int64
}

// NewFuse makes a fuse for when the process comes to a point for the count-th time, the first when count is 0. It ends by kill -9 then, or,
// where hold names a file, waits until that is there. An empty point is none.
func NewFuse(point, hold string, count int64) *Fuse {
	f := &Fuse{point: point, hold: hold}
	f.left.Store(max(count, 1))
	return f
}

// At is called wherever the process may end.
func (f *Fuse) At(point string) {
	if f.point != point || f.left.Add(-1) != 0 {
		return
	}
	if f.hold == "" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	Say("holding at " + point)
	for {
		if _, err := os.Stat(f.hold); err == nil {
			return
		}
		Rest(context.Background(), 5*time.Millisecond)
	}
}
