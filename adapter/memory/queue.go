package memory

import (
	"time"

	"github.com/carillon-go/carillon"
)

// pageItems is how many messages a page of a queue has room for, sparePages how many empty pages a group keeps to be used again.
const (
	pageItems  = 16
	sparePages = 32
)

// item is a message of one subscription. Once it is settled the message is gone.
type item struct {
	message carillon.Message
	since   time.Time
	attempt int
	settled bool
}

type page [pageItems]item

// queue is what a partition holds, from the first message that is not settled on. Messages are known by their numbers, which grow by one
// and are never given again.
type queue struct {
	pages []*page
	first int64 // the number that the first place of the first page has
	front int64 // the first message
	end   int64 // where the next message comes
}

// at returns a message the queue holds.
func (q *queue) at(number int64) *item {
	place := number - q.first
	return &q.pages[place/pageItems][place%pageItems]
}

// add adds a message.
func (q *queue) add(m *carillon.Message, since time.Time, spare *spares) {
	place := q.end - q.first
	if place == int64(len(q.pages))*pageItems {
		q.pages = append(q.pages, spare.take())
	}
	it := &q.pages[place/pageItems][place%pageItems]
	it.message, it.since, it.attempt, it.settled = *m, since, 0, false
	q.end++
}

// settle settles a message, and forgets those at the front that are.
func (q *queue) settle(number int64, spare *spares) {
	it := q.at(number)
	it.message, it.settled = carillon.Message{}, true
	if number != q.front {
		return
	}
	for q.front < q.end && q.at(q.front).settled {
		q.front++
		if q.front-q.first == pageItems {
			spare.keep(q.pages[0])
			q.pages[0] = nil
			q.pages, q.first = q.pages[1:], q.front
		}
	}
	if q.front == q.end { // the page that is left begins anew
		q.first = q.front
	}
}

// spares are empty pages.
type spares []*page

func (s *spares) take() *page {
	last := len(*s) - 1
	if last < 0 {
		return new(page)
	}
	p := (*s)[last]
	*s = (*s)[:last]
	return p
}

func (s *spares) keep(p *page) {
	if len(*s) < sparePages {
		*s = append(*s, p)
	}
}
