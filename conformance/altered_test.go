package conformance

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// altered is a log with some of its methods replaced. A method left nil is the inner log's.
type altered struct {
	inner *memory.Log

	append     func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error)
	read       func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error)
	readStream func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error)
	head       func(ctx context.Context) (carillon.Position, error)
	command    func(ctx context.Context, id string) (carillon.CommandRecord, error)
	streams    func(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error)
}

func (a *altered) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	if a.append != nil {
		return a.append(ctx, batch)
	}
	return a.inner.Append(ctx, batch)
}

func (a *altered) Read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	if a.read != nil {
		return a.read(ctx, query, after, limit)
	}
	return a.inner.Read(ctx, query, after, limit)
}

func (a *altered) ReadStream(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	if a.readStream != nil {
		return a.readStream(ctx, stream, after, limit)
	}
	return a.inner.ReadStream(ctx, stream, after, limit)
}

func (a *altered) Head(ctx context.Context) (carillon.Position, error) {
	if a.head != nil {
		return a.head(ctx)
	}
	return a.inner.Head(ctx)
}

func (a *altered) Command(ctx context.Context, id string) (carillon.CommandRecord, error) {
	if a.command != nil {
		return a.command(ctx, id)
	}
	return a.inner.Command(ctx, id)
}

func (a *altered) Streams(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
	if a.streams != nil {
		return a.streams(ctx, after, limit)
	}
	return a.inner.Streams(ctx, after, limit)
}

// store is the reference store with another log, opening or close.
type store struct {
	carillon.Store

	log   carillon.Log
	open  func(ctx context.Context) (carillon.Store, error)
	close func() error
}

func (s *store) Open(ctx context.Context) (carillon.Store, error) {
	if s.open != nil {
		return s.open(ctx)
	}
	if _, err := s.Store.(carillon.Opener).Open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *store) Log() carillon.Log { return s.log }

func (s *store) Close() error {
	if s.close != nil {
		return s.close()
	}
	return s.Store.Close()
}

// alter opens the reference with a log that change has been at.
func alter(change func(log *altered)) LogOpener {
	return func(testing.TB) carillon.Opener { return alterStore(func(log *altered, _ *store) { change(log) }) }
}

func alterStore(change func(log *altered, s *store)) *store {
	inner := memory.Volatile()
	log := &altered{inner: inner.Log().(*memory.Log)}
	s := &store{Store: inner, log: log}
	change(log, s)
	return s
}

// alterAppends opens the reference with every append changed before it is handed over.
func alterAppends(change func(a *carillon.Append)) LogOpener {
	return alter(func(log *altered) {
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			changed := make([]carillon.Append, len(batch))
			for i := range batch {
				changed[i] = batch[i]
				change(&changed[i])
			}
			return log.inner.Append(ctx, changed)
		}
	})
}

// alterVerdicts opens the reference with every verdict changed before it is returned.
func alterVerdicts(change func(a *carillon.Append, verdict *carillon.Verdict)) LogOpener {
	return alter(func(log *altered) {
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			verdicts, err := log.inner.Append(ctx, batch)
			for i := range verdicts {
				change(&batch[i], &verdicts[i])
			}
			return verdicts, err
		}
	})
}

// alterQueries opens the reference with every query changed, in reads and in conditions.
func alterQueries(change func(query carillon.Query) carillon.Query) LogOpener {
	return alter(func(log *altered) {
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			changed := make([]carillon.Append, len(batch))
			for i := range batch {
				changed[i] = batch[i]
				if condition := batch[i].Condition; condition != nil {
					changed[i].Condition = &carillon.Condition{Query: change(condition.Query), After: condition.After}
				}
			}
			return log.inner.Append(ctx, changed)
		}
		log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
			return log.inner.Read(ctx, change(query), after, limit)
		}
	})
}

// alterPages opens the reference with every page changed before it is returned.
func alterPages(change func(query carillon.Query, limit int, page *carillon.Page)) LogOpener {
	return alter(func(log *altered) {
		log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
			page, err := log.inner.Read(ctx, query, after, limit)
			if err == nil {
				change(query, limit, &page)
			}
			return page, err
		}
	})
}

// alterMessages opens the reference with every stored message changed.
func alterMessages(change func(m *carillon.Message)) LogOpener {
	return alterAppends(func(a *carillon.Append) {
		events := make([]carillon.Message, len(a.Events))
		for i := range events {
			events[i] = a.Events[i]
			change(&events[i])
		}
		a.Events = events
	})
}

// onePerLock opens the reference with each append handled alone, under one lock.
func onePerLock(handle func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error)) LogOpener {
	return alter(func(log *altered) {
		var lock sync.Mutex
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			lock.Lock()
			defer lock.Unlock()
			return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) { return handle(ctx, log, a) })
		}
	})
}

func oneByOne(batch []carillon.Append, handle func(a carillon.Append) (carillon.Verdict, error)) ([]carillon.Verdict, error) {
	verdicts := make([]carillon.Verdict, len(batch))
	for i := range batch {
		verdict, err := handle(batch[i])
		if err != nil {
			return nil, err
		}
		verdicts[i] = verdict
	}
	return verdicts, nil
}

// appendOne hands a single append to the inner log.
func (a *altered) appendOne(ctx context.Context, one carillon.Append) (carillon.Verdict, error) {
	verdicts, err := a.inner.Append(ctx, []carillon.Append{one})
	if err != nil {
		return carillon.Verdict{}, err
	}
	return verdicts[0], nil
}

// pause lets everybody else run, so that what can go wrong in between does.
func pause() {
	for range 200 {
		runtime.Gosched()
	}
}
