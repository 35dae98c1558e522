package simulation

import (
	"math/rand/v2"
	"time"
)

// plan is what a seed settles beforehand: how large the run is, and how often what goes wrong. Seeds differ in which faults they know,
// so that one kind does not hide another.
type plan struct {
	processes, clients int
	commands           int // by each client
	accounts, courses  int
	term, poll         time.Duration
	faulty             time.Duration // how long there are faults
	patience           time.Duration // how soon after the last fault everything is done
	rates              rates
	// poisoned says that what is deployed at first cannot handle some events, and deploy when something better is.
	poisoned bool
	deploy   time.Duration
	orders   time.Duration // how often the operator gives one, at most
	pauses   bool          // a pause is looked at in the end
}

// rates are how many of a thousand calls meet a fault.
type rates struct {
	refuse, lose, late, abort, slow, crash, pause int
	// stop is how many of a thousand seconds see a process stopped in good order.
	stop int
}

func newPlan(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 1))
	rate := func(most int) int { // none in one seed of three
		return r.IntN(3) * r.IntN(most+1) / 2
	}
	p := plan{
		processes: 2 + r.IntN(3), clients: 3, commands: 8 + r.IntN(6), accounts: 2 + r.IntN(3), courses: 2,
		term:     time.Duration(4+r.IntN(4)) * time.Second,
		poll:     time.Duration(1+r.IntN(3)) * time.Second,
		faulty:   25 * time.Second,
		patience: 60 * time.Second,
		rates: rates{
			refuse: rate(40), lose: rate(60), late: rate(80), abort: rate(60), slow: rate(60), crash: rate(12), pause: rate(10), stop: rate(80),
		},
	}
	p.poisoned, p.deploy = r.IntN(2) == 0, between(r, 5*time.Second, 24*time.Second)
	p.orders, p.pauses = between(r, 2*time.Second, 12*time.Second), r.IntN(8) == 0
	return p
}

// fate is what becomes of one call.
type fate struct {
	there, work, back time.Duration // on the way, in the database, on the way back

	refused bool          // it does not get there
	aborted bool          // the database takes it back
	lost    bool          // its reply is lost
	late    time.Duration // its reply is lost, and it is carried out this much later

	crashBefore, crashAfter bool
	pauseBefore, pauseAfter time.Duration
	// outlives says that it is carried out although its process crashed on the way.
	outlives bool
}

// fate draws what becomes of a call.
func (w *world) fate(what string) fate {
	r := w.roll(what)
	f := fate{
		there: between(r, 100*time.Microsecond, 3*time.Millisecond),
		work:  between(r, 100*time.Microsecond, 4*time.Millisecond),
		back:  between(r, 100*time.Microsecond, 3*time.Millisecond),
	}
	w.mu.Lock()
	calm := w.calm
	w.mu.Unlock()
	if calm {
		return f
	}
	hit := func(rate int) bool { return r.IntN(1000) < rate }
	rates := w.plan.rates
	f.refused, f.aborted, f.lost = hit(rates.refuse), hit(rates.abort), hit(rates.lose)
	if hit(rates.late) {
		f.late = between(r, time.Millisecond, 4*time.Second)
	}
	if hit(rates.slow) {
		*[]*time.Duration{&f.there, &f.work, &f.work, &f.back}[r.IntN(4)] = between(r, 50*time.Millisecond, 2*time.Second)
	}
	f.crashBefore, f.crashAfter = hit(rates.crash) && hit(500), hit(rates.crash) && hit(500)
	pause := between(r, w.plan.term/2, 3*w.plan.term)
	if hit(rates.pause) {
		*[]*time.Duration{&f.pauseBefore, &f.pauseAfter}[r.IntN(2)] = pause
	}
	f.outlives = hit(500)
	return f
}
