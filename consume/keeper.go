package consume

import "time"

// lookAfter is how often the keeper looks for workers stuck in a batch, while there are batches.
const lookAfter = time.Millisecond

// keep wakes deliveries whose next attempt is due, and takes work back from workers that are stuck, until the consumer stops.
func (c *Consumer[T]) keep(stopped <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, ok := c.tend()
		if ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-c.alarm:
		case <-stopped:
			return
		}
	}
}

// tend does what is due now, and says how long until it has to be called again; ok is false when only an alarm needs it.
func (c *Consumer[T]) tend() (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.core.Wake(now)
	c.watching = false
	for _, w := range c.workers {
		c.lookAt(w)
	}
	c.wakeWorker()
	wait, ok = c.core.NextWake(now)
	if c.watching && (!ok || wait > lookAfter) {
		return lookAfter, true
	}
	return wait, ok
}

// lookAt takes back what a worker has not begun when it is in the same batch as the last time. A worker with a batch of one
// delivery is watched too as long as it expects to be quick: others may have been left asleep because of it.
func (c *Consumer[T]) lookAt(w *worker[T]) {
	if !w.busy || w.stuck || w.share == 1 || c.batch != nil {
		return
	}
	if w.seen != w.rounds {
		w.seen = w.rounds
		c.watching = true
		return
	}
	w.stuck = true
	c.running--
	c.reclaim(w)
}
