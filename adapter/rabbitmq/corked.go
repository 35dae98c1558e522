package rabbitmq

import (
	"net"
	"sync"
	"time"
)

// corked is a connection whose writes can be gathered, for the client writes every message by itself. Its writes give up after a
// time: a connection that nobody reads any more would hold its writers for ever.
type corked struct {
	net.Conn
	timeout time.Duration

	mu       sync.Mutex
	corks    int
	gathered []byte
	failed   error
}

// gatherAtMost is how much is gathered before it is written, in bytes.
const gatherAtMost = 32 << 10

// cork begins to gather what is written.
func (c *corked) cork() {
	c.mu.Lock()
	c.corks++
	c.mu.Unlock()
}

// uncork writes what was gathered.
func (c *corked) uncork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corks--; c.corks == 0 {
		c.flush()
	}
}

// Write writes, or gathers. A failure to write what was gathered closes the connection, which its reader notices.
func (c *corked) Write(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return 0, c.failed
	}
	if c.corks == 0 && len(c.gathered) == 0 {
		return c.write(data)
	}
	c.gathered = append(c.gathered, data...)
	if c.corks == 0 || len(c.gathered) >= gatherAtMost {
		c.flush()
	}
	if c.failed != nil {
		return 0, c.failed
	}
	return len(data), nil
}

func (c *corked) flush() {
	if len(c.gathered) == 0 || c.failed != nil {
		return
	}
	if _, c.failed = c.write(c.gathered); c.failed != nil {
		_ = c.Close() // it has failed already
	}
	c.gathered = c.gathered[:0]
}

func (c *corked) write(data []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(data)
}
