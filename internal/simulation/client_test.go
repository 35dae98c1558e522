package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/carillon-go/carillon"
)

// client sends commands, each again and again until it knows what became of it, to whichever process is up.
type client struct {
	world *world
	name  string
}

// op is a command on its way.
type op struct {
	id      string
	command any

	// Under the world's lock.
	doubted  bool      // another attempt may have been carried out, or may still be
	reads    int       // how often its boundary was read
	answered time.Time // when an append of it was answered last
}

// opKey is under which a context holds the op.
type opKey struct{}

func (c *client) work(ctx context.Context) {
	w := c.world
	r := w.roll(c.name)
	for n := range w.plan.commands {
		while := between(r, time.Millisecond, 2500*time.Millisecond)
		if r.IntN(2) == 0 { // many clients send at such a moment
			const often = 3 * time.Second
			while += often - (time.Since(w.began)+while)%often + between(r, time.Microsecond, 6*time.Millisecond)
		}
		w.pass(while)
		if w.over() {
			return
		}
		o := &op{id: fmt.Sprintf("%s-%d", c.name, n+1), command: w.command(r)}
		w.locked(func() { w.ops[o.id] = o })
		c.carryOut(ctx, o, r)
		w.locked(func() { delete(w.ops, o.id) })
	}
	w.locked(func() { w.working-- })
}

// command draws a command.
func (w *world) command(r *rand.Rand) any {
	course, student := fmt.Sprintf("x%d", r.IntN(w.plan.courses)), fmt.Sprintf("s%d", r.IntN(3))
	switch r.IntN(5) {
	case 0, 1:
		return enrol{course, student}
	case 2:
		if r.IntN(2) == 0 {
			return leave{course, student}
		}
		fallthrough
	default:
		return move{fmt.Sprintf("a%d", r.IntN(w.plan.accounts)), 1 + r.IntN(9) - 4*r.IntN(2)}
	}
}

// carryOut sends a command until its outcome is known.
func (c *client) carryOut(ctx context.Context, o *op, r *rand.Rand) {
	for w := c.world; !w.over(); w.pass(between(r, 20*time.Millisecond, 500*time.Millisecond)) {
		var to *life
		var head int
		w.locked(func() {
			to = w.processes[r.IntN(len(w.processes))].life
			head = len(w.database.events)
			if to != nil {
				w.note("%s sends %s %+v to %s", o.id, c.name, o.command, to.session.name)
			}
		})
		if to == nil {
			continue
		}
		if r.IntN(8) == 0 {
			c.repeat(ctx, o, to, head)
		}
		if c.attempt(ctx, o, to, head, r) {
			return
		}
	}
}

// repeat sends a command a second time, a little later, as networks do.
func (c *client) repeat(ctx context.Context, o *op, to *life, head int) {
	w := c.world
	r := w.roll(o.id + " again")
	w.locked(func() {
		o.doubted = true
		w.working++
	})
	w.do(func() {
		w.pass(between(r, time.Microsecond, 20*time.Millisecond))
		c.attempt(ctx, o, to, head, r)
		w.locked(func() { w.working-- })
	})
}

// attempt sends a command to a process once. It reports whether the outcome is known.
func (c *client) attempt(ctx context.Context, o *op, to *life, head int, r *rand.Rand) (known bool) {
	w := c.world
	patience := between(r, 500*time.Millisecond, 5*time.Second)
	limited, cancel := context.WithDeadline(context.WithValue(ctx, opKey{}, o), w.moment(patience))
	defer cancel()
	appended, err := to.handle(limited, o)
	down := !to.session.lives()
	if w.over() {
		return true
	}
	w.locked(func() {
		switch {
		case err == nil:
			w.note("%s is answered %+v", o.id, appended)
			w.audit.acknowledged(o, appended)
			known = true
		case errors.Is(err, carillon.ErrRejected):
			w.note("%s is rejected: %v", o.id, err)
			w.audit.rejected(o, head)
			known = true
		default:
			w.note("%s failed: %v", o.id, w.unnamed(withoutID(err)))
			w.audit.failed(o, err)
		}
	})
	if known {
		return true
	}
	inDoubt, unknown := errors.AsType[*carillon.OutcomeUnknownError](err)
	if !unknown && !down {
		return false
	}
	if unknown && !down && r.IntN(2) == 0 {
		resolving, cancel := context.WithDeadline(context.WithValue(ctx, opKey{}, o), w.moment(5*time.Second))
		defer cancel()
		appended, err := to.log.Resolve(resolving, inDoubt)
		if w.over() {
			return true
		}
		settled := false
		w.locked(func() {
			w.note("%s is resolved: %+v, %v", o.id, appended, err)
			switch {
			case err == nil:
				w.audit.acknowledged(o, appended)
				known = true
			case errors.Is(err, carillon.ErrNotFound):
				w.audit.denied(inDoubt.EventID)
				settled = true
			}
		})
		if known || settled {
			return known
		}
	}
	w.locked(func() { o.doubted = true })
	return false
}

// withoutID is the text of an error without the random id of an event.
func withoutID(err error) string {
	if unknown, ok := errors.AsType[*carillon.OutcomeUnknownError](err); ok {
		return fmt.Sprintf("outcome unknown: %v", unknown.Cause)
	}
	return err.Error()
}

func (l *life) handle(ctx context.Context, o *op) (carillon.Appended, error) {
	message := &carillon.Message{
		ID: o.id, Kind: carillon.KindCommand, Time: time.Now(), Headers: map[string]string{carillon.HeaderOnce: "yes"}, Value: o.command,
	}
	if _, ok := o.command.(move); ok {
		message.Type = "account.move"
		return l.accounts.Handle(ctx, message)
	}
	return l.enrolments.Handle(ctx, message)
}
