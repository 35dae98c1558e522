package projection

import (
	"context"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

const (
	// gentlePage is how many events a rebuild folds at a time beside live traffic.
	gentlePage = 256
	// quietAfter is how long nothing may have been appended before a rebuild takes all it can get.
	quietAfter = 100 * time.Millisecond
)

// pace says how fast a rebuild may work. While somebody appends it works half of the time and on one page at a time, so that a processor
// is left for live traffic.
type pace struct {
	hurried bool // others wait for the rebuild
	head    carillon.Position
	moved   time.Time // when the head was seen to move
}

// gently reports whether the log has grown of late.
func (p *pace) gently(ctx context.Context, log *eventlog.Log) (bool, error) {
	if p.hurried {
		return false, nil
	}
	head, err := log.Head(ctx)
	if err != nil {
		return false, err
	}
	now := time.Now()
	if head != p.head { // at the first look, too
		p.head, p.moved = head, now
	}
	return now.Sub(p.moved) < quietAfter, nil
}
