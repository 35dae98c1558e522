package redisstream

import (
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// session is the time a consumer owns a partition. The subscription's lock guards it.
type session struct {
	subscription *subscription
	partition    int
	stream       string
	epoch        int64
	lost         chan struct{}
	over         bool
	releasing    bool      // nothing is handed out any more
	since        time.Time // when that began
	released     bool      // the server has been told, or is being told

	cursor  string              // the last entry read
	behind  map[string]struct{} // settled when the session began, and not read yet
	formers []string            // for each former owner the last entry it had

	waiting []redis.XMessage // read, not handed out
	items   []item           // handed out, or settled before, behind what all before is settled
	low     uint64           // the number of the first of them
	held    int              // handed out, not settled

	changed   bool     // there is something to send
	settled   string   // all up to here is settled
	delivered string   // the last entry handed out
	count     int      // settled since the last flush
	outOfTurn []uint64 // settled since then behind what is not
	caughtUp  []string // no longer behind since then
}

// item is an entry that was handed out.
type item struct {
	id      string
	settled bool
	noted   bool // the server knows it as settled behind another
}

func newSession(s *subscription, partition int, epoch int64, settled, formers string, behind []any) *session {
	at := &session{
		subscription: s, partition: partition, stream: s.topic.streams[partition], epoch: epoch, lost: make(chan struct{}),
		cursor: settled, settled: settled, behind: make(map[string]struct{}, len(behind)), formers: strings.Fields(formers),
	}
	for _, id := range behind {
		if id, ok := id.(string); ok {
			at.behind[id] = struct{}{}
		}
	}
	return at
}

// add takes entries that were read.
func (s *session) add(entries []redis.XMessage) {
	s.waiting = append(s.waiting, entries...)
	s.cursor = entries[len(entries)-1].ID
}

// handOut appends entries to what is handed out, up to a limit.
func (s *session) handOut(all []handle, limit int) []handle {
	for len(s.waiting) > 0 {
		entry := s.waiting[0]
		_, settled := s.behind[entry.ID]
		if !settled && len(all) >= limit {
			break
		}
		s.waiting[0] = redis.XMessage{}
		s.waiting = s.waiting[1:]
		number := s.low + uint64(len(s.items))
		s.items = append(s.items, item{id: entry.ID, settled: settled, noted: settled})
		if settled {
			delete(s.behind, entry.ID)
			s.advance()
			continue
		}
		attempt := 1
		for _, id := range s.formers {
			if compareIDs(entry.ID, id) <= 0 {
				attempt++
			}
		}
		if attempt == 1 {
			s.formers = nil // whatever comes is behind all they had
		}
		s.held++
		s.delivered, s.changed = entry.ID, true
		all = append(all, handle{session: s, number: number, entry: entry, attempt: attempt})
	}
	return all
}

// settle reports whether the delivery was not settled before.
func (s *session) settle(number uint64) bool {
	if number < s.low || s.items[number-s.low].settled {
		return false
	}
	s.items[number-s.low].settled = true
	s.held--
	s.count++
	s.changed = true
	if number == s.low {
		s.advance()
	} else {
		s.outOfTurn = append(s.outOfTurn, number)
	}
	return true
}

// advance passes over what is settled.
func (s *session) advance() {
	n := 0
	for n < len(s.items) && s.items[n].settled {
		if s.items[n].noted {
			s.caughtUp = append(s.caughtUp, s.items[n].id)
		}
		s.settled = s.items[n].id
		n++
	}
	if n > 0 {
		s.items = s.items[n:]
		s.low += uint64(n)
		s.changed = true
	}
}

// report appends what is to be sent, for the script that settles.
func (s *session) report(arguments []any, flush int64) []any {
	arguments = append(arguments, s.partition, s.epoch, flush, s.settled, s.count, s.delivered, s.held)
	at := len(arguments)
	arguments = append(arguments, 0)
	noted := 0
	for _, number := range s.outOfTurn {
		if number >= s.low {
			s.items[number-s.low].noted = true
			arguments = append(arguments, s.items[number-s.low].id)
			noted++
		}
	}
	arguments[at] = noted
	arguments = append(arguments, len(s.caughtUp))
	for _, id := range s.caughtUp {
		arguments = append(arguments, id)
	}
	s.changed, s.count, s.outOfTurn, s.caughtUp = false, 0, nil, nil
	return arguments
}
