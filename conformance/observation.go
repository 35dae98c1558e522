package conformance

import (
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// observation is one call of a log and its answer, as a client saw them.
type observation interface {
	// follow returns the past after the call if it was made at this one, nil when the answer is not the one for this past.
	follow(p *past) *past
	String() string
}

// appendSeen is a batch and its verdicts.
type appendSeen struct {
	batch    []carillon.Append
	verdicts []carillon.Verdict
}

func (o *appendSeen) follow(p *past) *past {
	for i := range o.batch {
		if p = p.settle(&o.batch[i], o.verdicts[i]); p == nil {
			return nil
		}
	}
	return p
}

func (o *appendSeen) String() string {
	words := make([]string, len(o.batch))
	for i := range o.batch {
		answer := fmt.Sprintf("%+v", o.verdicts[i].Appended)
		if err := o.verdicts[i].Err; err != nil {
			answer = err.Error()
		}
		words[i] = fmt.Sprintf("append (%s): %s", describe(&o.batch[i]), answer)
	}
	return strings.Join(words, ", then ")
}

// unknownSeen is a batch without an answer that was found in the log afterwards.
type unknownSeen struct {
	batch []carillon.Append
	// first is where the first event of each append stands, 0 for an append that added nothing.
	first []carillon.Position
}

func (o *unknownSeen) follow(p *past) *past {
	for i := range o.batch {
		took := p.judge(&o.batch[i]) == accepted
		if took != (o.first[i] > 0) || took && o.first[i] != p.head()+1 {
			return nil
		}
		if took {
			p = p.with(&o.batch[i])
		}
	}
	return p
}

func (o *unknownSeen) String() string {
	return fmt.Sprintf("%d appends (%s, …) of unknown outcome, found at positions %v", len(o.batch), describe(&o.batch[0]), o.first)
}

// pageSeen is a read and its page.
type pageSeen struct {
	query carillon.Query
	after carillon.Position
	limit int
	page  carillon.Page
}

func (o *pageSeen) follow(p *past) *past { return p.when(p.shows(o.query, o.after, &o.page)) }

func (o *pageSeen) String() string {
	return fmt.Sprintf("read %s after %d, limit %d: %s through %d, more %t",
		describeQuery(o.query), o.after, o.limit, positions(o.page.Events), o.page.Through, o.page.More)
}

// streamSeen is a read of a stream and its events.
type streamSeen struct {
	stream string
	after  int64
	limit  int
	events []carillon.Recorded
}

func (o *streamSeen) follow(p *past) *past {
	return p.when(p.showsStream(o.stream, o.after, o.limit, o.events))
}

func (o *streamSeen) String() string {
	return fmt.Sprintf("read stream %q after version %d, limit %d: %s", o.stream, o.after, o.limit, positions(o.events))
}

// headSeen is the head.
type headSeen struct{ head carillon.Position }

func (o *headSeen) follow(p *past) *past { return p.when(p.head() == o.head) }

func (o *headSeen) String() string { return fmt.Sprintf("head: %d", o.head) }

// commandSeen is what the log remembered of a command id; a nil record is nothing.
type commandSeen struct {
	id     string
	record *carillon.CommandRecord
}

func (o *commandSeen) follow(p *past) *past {
	record := p.carried(o.id)
	if record == nil || o.record == nil {
		return p.when(record == o.record)
	}
	return p.when(*record == *o.record)
}

func (o *commandSeen) String() string {
	if o.record == nil {
		return fmt.Sprintf("command %q: not found", o.id)
	}
	return fmt.Sprintf("command %q: %+v", o.id, o.record.Appended)
}

// positions gives the places of events in a few words.
func positions(events []carillon.Recorded) string {
	at := make([]carillon.Position, 0, len(events))
	for i := range events {
		at = append(at, events[i].Position)
	}
	if len(at) > 12 {
		return fmt.Sprintf("%d events, the last at %v", len(at), at[len(at)-3:])
	}
	return fmt.Sprintf("events at %v", at)
}
