//go:build unix

package handoff_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/internal/processes"
)

// house keeps producers and consumers running, whatever becomes of them.
type house struct {
	t     *testing.T
	site  *site
	slots []*slot

	running sync.WaitGroup
	stop    context.CancelFunc

	mu     sync.Mutex
	counts map[string]int
	queued map[string][]string // points that are left to die at, by role
	armed  int                 // processes that are on their way to one
}

// slot is one process of a house.
type slot struct {
	house *house
	role  string
	job   job

	mu      sync.Mutex
	process *processes.Process
	shot    bool   // killed by the test
	point   string // where it is to die
}

// newHouse has four producers, half of which append and forward, and four consumers. Of those that come to a named point so many die there,
// beginning with the first processes.
func newHouse(t *testing.T, site *site, pace time.Duration, hits int) *house {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	h := &house{t: t, site: site, stop: stop, counts: make(map[string]int), queued: queue(hits, site.place.broker() != nil)}
	t.Cleanup(h.close)
	for _, task := range []string{"publish", "append", "publish", "append"} {
		j := site.producer(task)
		j.Pace = pace
		h.slots = append(h.slots, &slot{house: h, role: task, job: j})
	}
	for range 4 {
		h.slots = append(h.slots, &slot{house: h, role: "consume", job: site.consumer()})
	}
	for _, s := range h.slots {
		h.running.Go(func() { s.keep(ctx) })
	}
	return h
}

// close ends all processes.
func (h *house) close() {
	h.stop()
	h.running.Wait()
}

func (h *house) count(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[what]++
}

// summary is what was killed how often.
func (h *house) summary() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var parts []string
	total := 0
	for what, count := range h.counts {
		parts = append(parts, fmt.Sprintf("%d× %s", count, what))
		total += count
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}

// keep keeps the slot's process running until the context ends.
func (s *slot) keep(ctx context.Context) {
	for ctx.Err() == nil {
		next, point := s.job, s.house.point(s.role)
		next.Point, next.Count = point, 1+rand.N[int64](3)
		if !s.begin(next) {
			return
		}
		select {
		case <-s.process.Ended():
		case <-ctx.Done():
			if err := s.process.Stop(); err != nil && !s.process.Killed() {
				s.house.t.Errorf("a process of role %s did not shut down: %v", s.role, err)
			}
			return
		}
		switch {
		case s.wasShot() || ctx.Err() != nil:
			s.house.again(s.role, point)
		case s.process.Killed() && point != "":
			s.house.hit(s.role, point)
		default: // as where the store was away when it started: whoever supervises it starts it again
			s.house.again(s.role, point)
			s.house.count(s.role + " ended by itself")
			processes.Rest(ctx, 100*time.Millisecond)
		}
	}
}

// begin starts the slot's process.
func (s *slot) begin(j job) bool {
	p, err := processes.Launch(s.house.t, jobVariable, j)
	if err != nil {
		s.house.t.Error(err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.shot, s.point = p, false, j.Point
	return true
}

// wasShot reports whether the test has killed the process.
func (s *slot) wasShot() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shot
}

// kill is kill -9 of the slot's process, if it runs.
func (s *slot) kill() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return false
	}
	select {
	case <-s.process.Ended():
		return false
	default:
	}
	s.shot = true
	s.process.Kill()
	return true
}

// point is the next point at which a process of a role is to die; none when there is none.
func (h *house) point(role string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	queue := h.queued[role]
	if len(queue) == 0 {
		return ""
	}
	h.queued[role] = queue[1:]
	h.armed++
	return queue[0]
}

// hit counts a process that died at its point.
func (h *house) hit(role, point string) {
	h.count(role + " " + point)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed--
}

// again puts back a point that a process did not come to.
func (h *house) again(role, point string) {
	if point == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed--
	h.queued[role] = append(h.queued[role], point)
}

// queue lists the points that are to be hit so many times, by role.
func queue(hits int, relays bool) map[string][]string {
	queued := make(map[string][]string)
	for range hits {
		for _, role := range []string{"publish", "append", "consume"} {
			points := producerPoints
			switch role {
			case "append":
				points = slices.Concat(producerPoints, appenderPoints)
			case "consume":
				points = consumerPoints
			}
			queued[role] = append(queued[role], points...)
			if relays {
				queued[role] = append(queued[role], relayPoints...)
			}
		}
	}
	return queued
}

// points returns when every named point was hit as often as it is to be.
func (h *house) points() {
	h.t.Helper()
	moved, last := time.Now(), -1
	nudged := moved
	for {
		h.mu.Lock()
		left := h.armed
		for _, queue := range h.queued {
			left += len(queue)
		}
		state := fmt.Sprintf("%v are left, %d processes are on their way to one", h.queued, h.armed)
		h.mu.Unlock()
		switch {
		case left == 0:
			return
		case left != last:
			moved, last = time.Now(), left
			nudged = moved
		case time.Since(nudged) > nudge:
			h.t.Logf("%s: the processes that are free are killed, for %s", h.site.Broker, state)
			h.nudge()
			nudged = time.Now()
		case time.Since(moved) > processes.Patience:
			h.t.Fatalf("no process came to its point for %v: %s", processes.Patience, state)
		}
		if !processes.Rest(h.t.Context(), 50*time.Millisecond) {
			return
		}
	}
}

// nudge is how long a process that is to die at a point waits for work that another has, before that one is killed.
const nudge = 5 * time.Second

// nudge kills the processes that are not on their way to a point.
func (h *house) nudge() {
	for _, s := range h.slots {
		s.mu.Lock()
		free := s.point == ""
		s.mu.Unlock()
		if free {
			s.kill()
		}
	}
}

// rounds kills one of the processes every 0.5 to 2 s, so many times: producers and consumers mostly, the broker and the store each a sixth
// of the time.
func (h *house) rounds(rounds int) {
	h.t.Helper()
	for round := range rounds {
		if !processes.Rest(h.t.Context(), 500*time.Millisecond+rand.N(1500*time.Millisecond)) {
			return
		}
		switch round % 6 {
		case 2:
			h.killBroker()
		case 4:
			h.site.cluster.Kill()
			h.count("store")
			if err := h.site.cluster.Restart(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
		case 0, 5:
			h.killOne("consume")
		case 1:
			h.killOne("publish")
		case 3:
			h.killOne("append")
		}
	}
}

// killBroker kills the broker and starts it again. Where that is the store, one of the server's processes is killed, after which the server
// ends all others and recovers.
func (h *house) killBroker() {
	h.t.Helper()
	if h.site.node != nil {
		h.site.node.Kill(h.t)
		h.site.node.Restart(h.t)
		h.count("broker")
		return
	}
	killed, err := h.site.cluster.KillProcess(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if killed {
		h.count("broker's process")
	}
}

// killOne kills one process of a role, waiting for one that runs.
func (h *house) killOne(role string) {
	h.t.Helper()
	processes.Await(h.t, "a process to kill", func() bool {
		s := h.slots[rand.N(len(h.slots))]
		return s.role == role && s.kill()
	})
	h.count(role + " at random")
}

// flows waits until messages have come all the way.
func (h *house) flows() {
	h.t.Helper()
	processes.Await(h.t, "the first effects", func() bool {
		count := 0
		err := h.site.db.QueryRowContext(h.t.Context(), "SELECT count(DISTINCT account) FROM "+h.site.effects()+" WHERE stage = $1", archive).Scan(&count)
		return err == nil && count == 4*8
	})
}

// enough waits until the ledgers hold so many messages, and has the producers place no more. Their relays go on.
func (h *house) enough(ids int64) {
	h.t.Helper()
	moved, last := time.Now(), int64(0)
	for {
		now := h.site.ids(h.t)
		if now >= ids {
			break
		}
		if now > last {
			moved, last = time.Now(), now
		}
		if time.Since(moved) > processes.Patience {
			h.t.Fatalf("nothing was published for %v", processes.Patience)
		}
		if !processes.Rest(h.t.Context(), 200*time.Millisecond) {
			return
		}
	}
	h.site.end(h.t)
}
