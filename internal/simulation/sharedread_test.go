package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// sharedRead is a read of the whole log under way, for all followers of a process that ask for the same. The followers share reads among
// themselves, and no seed settles which of those that ask at one moment does the reading. So it must not matter: when that one gives up, or
// the read fails, the others are served, or fail, at the same moment as if they had asked.
type sharedRead struct {
	done chan struct{}
	page carillon.Page
	err  error
}

func (l sessionLog) readAll(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error) {
	if err := ctx.Err(); err != nil {
		return carillon.Page{}, err
	}
	w := l.world
	w.mu.Lock()
	if l.failed.Equal(time.Now()) {
		w.mu.Unlock()
		return carillon.Page{}, errLost
	}
	read, ok := l.shared[after]
	if !ok {
		read = &sharedRead{done: make(chan struct{})}
		l.shared[after] = read
		w.do(func() { l.carryAll(read, after, limit) })
	}
	w.mu.Unlock()
	select {
	case <-read.done:
		return read.page, read.err
	case <-ctx.Done():
		return carillon.Page{}, ctx.Err()
	}
}

// carryAll reads for all who wait.
func (l sessionLog) carryAll(read *sharedRead, after carillon.Position, limit int) {
	w := l.world
	err := l.call(context.Background(), fmt.Sprintf("read all after %d", after), func(fate) (string, error) {
		read.page = w.database.read(carillon.AllEvents(), after, limit)
		return fmt.Sprintf("%d events through %d", len(read.page.Events), read.page.Through), nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if read.err = err; err != nil {
		l.failed = time.Now()
	}
	delete(l.shared, after)
	close(read.done)
}
