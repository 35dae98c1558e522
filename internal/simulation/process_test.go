package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

// process is one of those that share the database. It crashes or is stopped, and lives again with nothing remembered.
type process struct {
	world *world
	name  string
	ended chan struct{}

	// Under the world's lock.
	life    *life     // nil while it is down
	resumes time.Time // when a pause ends
}

// life is a process from its start to its end.
type life struct {
	session    *session
	log        *eventlog.Log
	accounts   *sourcing.Bound[account]
	enrolments *sourcing.Bound[places]
	engine     *projection.Engine
	mended     bool
}

// operate keeps the process running until the context ends, and stops it then.
func (p *process) operate(ctx context.Context) {
	defer close(p.ended)
	w := p.world
	w.pass(between(w.roll(p.name), time.Millisecond, 100*time.Millisecond))
	for n := 1; ctx.Err() == nil && !w.over(); n++ {
		name := fmt.Sprintf("%s.%d", p.name, n)
		r := w.roll(name)
		p.live(ctx, name, r)
		_ = w.await(ctx, w.moment(between(r, 100*time.Millisecond, 3*time.Second))) // the loop sees to it
	}
}

// live is one life, which ends with a crash, with a stop in good order, or with the context.
func (p *process) live(ctx context.Context, name string, r *rand.Rand) {
	w := p.world
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{world: w, process: p, name: name, down: make(chan struct{}), shared: make(map[carillon.Position]*sharedRead), keys: make(map[string]*keysRead)}
	born, err := s.born(r)
	if err != nil {
		w.locked(func() { w.audit.violate("start", "%s: %v", name, err) })
		return
	}
	w.locked(func() {
		w.note("%s starts", name)
		p.life, p.resumes = born, time.Time{}
	})
	ended := make(chan struct{})
	w.do(func() {
		defer close(ended)
		_ = born.engine.Run(running) // it ends with its context
	})
	stop, replace := make(<-chan time.Time), make(<-chan struct{})
	if w.plan.poisoned && !born.mended {
		replace = w.quiet
	}
	if while := between(r, time.Second, 9*time.Second); r.IntN(100) < w.plan.rates.stop {
		stop = time.After(time.Until(w.moment(while)))
	}
	select {
	case <-s.down:
		return
	case <-w.halt:
		return
	case <-stop:
	case <-replace:
		w.pass(between(w.roll(name), time.Microsecond, time.Second))
	case <-ctx.Done():
	}
	w.locked(func() {
		w.note("%s stops", name)
		if p.life == born {
			p.life = nil
		}
	})
	cancel()
	select {
	case <-ended:
	case <-s.down:
	case <-w.halt:
	}
	w.locked(s.end)
}

// born makes what the process runs.
func (s *session) born(r *rand.Rand) (*life, error) {
	w := s.world
	log := eventlog.New(s.Log(), eventlog.PollEvery(w.plan.poll))
	l := &life{session: s, log: log}
	w.locked(func() { l.mended = w.mended || !w.plan.poisoned })
	runtime := sourcing.Runtime{Log: log, Snapshots: s.Snapshots(), Codec: busy{codec.JSON(), s}, HotStates: r.IntN(3), Random: r}
	if runtime.HotStates == 0 {
		runtime.HotStates = -1
	}
	var err error
	if l.accounts, err = sourcing.Bind(accounts(), runtime); err != nil {
		return nil, err
	}
	if l.enrolments, err = sourcing.Bind(enrolments(), runtime); err != nil {
		return nil, err
	}
	l.engine = projection.NewEngine(log, s, projection.Term(w.plan.term), projection.WithRandom(r))
	for _, definition := range []projection.Definition{
		projection.Segmented(balancesSegments, balancesModel(!l.mended)),
		rollsModel(),
		projection.Segmented(noticesSegments, projection.React(notices, projection.After(noticesAfter), projection.Handle("account.moved", l.notice))),
	} {
		if err := l.engine.Add(definition); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// notice is the reactor's effect.
func (l *life) notice(ctx context.Context, at carillon.Recorded, e moved) error {
	s, w := l.session, l.session.world
	if !l.mended && e.Amount == poison {
		return errPoison
	}
	what := fmt.Sprintf("%s notice %d", s.name, at.Position)
	while := between(w.roll(what), 100*time.Microsecond, 5*time.Millisecond)
	if w.bug == effectAfterCommit {
		w.do(func() { _ = s.take(context.Background(), at, what, 20*while) }) // nobody waits for it
		return nil
	}
	return s.take(ctx, at, what, while)
}

// take has an effect take place, unless the process is down by then.
func (s *session) take(ctx context.Context, at carillon.Recorded, what string, while time.Duration) error {
	w, called := s.world, time.Now()
	if err := w.await(ctx, w.moment(while)); err != nil {
		return err
	}
	s.thaw(what)
	if !s.lives() {
		return errDown
	}
	w.locked(func() {
		w.note("%s of %s", what, at.Key)
		w.audit.affected(s, at, called)
	})
	return nil
}

// await returns once the process is stopped for good.
func (p *process) await() { <-p.ended }

// busy is a codec that takes its time, as encoding does: so the appends of commands that were decided side by side come one by one.
type busy struct {
	carillon.Codec
	session *session
}

func (b busy) Encode(value any) ([]byte, error) {
	encoded, err := b.Codec.Encode(value)
	w := b.session.world
	w.pass(between(w.roll(fmt.Sprintf("%s encode %T %s", b.session.name, value, encoded)), time.Microsecond, 200*time.Microsecond))
	return encoded, err
}
