package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

// The sides of the contest on processes.
const (
	pgOneProcess   = "PostgreSQL, CPU-bound projection: one process"
	pgTwoProcesses = "PostgreSQL, CPU-bound projection: two processes"
)

const (
	// busySegments is into how many parts the projection is split.
	busySegments = 8
	// busyRounds is how long a fold keeps its processor busy: about half a millisecond.
	busyRounds = 150_000
	// busyEvents and busyEventsQuick are how many events the log has.
	busyEvents, busyEventsQuick = 12_000, 2000
	// sharedOut is how long the processes may take to share the segments out.
	sharedOut = time.Minute
)

// The program runs itself with this argument and a schema to run an engine in a process of its own. It finds the URL of the database
// in its environment, and ends with its standard input.
const (
	taskProject = "project"
	taskURL     = "CARILLON_TEST_POSTGRES"
)

// busyCustomer is a row that is laborious to compute.
type busyCustomer struct {
	Customer
	Mix uint64 `json:"mix,string"`
}

func (c busyCustomer) placed(e OrderPlaced) busyCustomer {
	c.Customer = c.Placed(e)
	c.Mix += uint64(e.Pence) + 1
	for range busyRounds {
		c.Mix = scatter(c.Mix)
	}
	return c
}

func busyModel() *projection.Model[busyCustomer] {
	return projection.Keyed("busy", projection.On(orderPlaced, busyCustomer.placed))
}

// pgProcesses holds two processes that share the segments of a projection out against one that has all of them. Each process has one
// processor.
func pgProcesses(ctx context.Context, w *workspace) (*contest, error) {
	d, err := openPG(ctx, w)
	if err != nil {
		return nil, err
	}
	if runtime.NumCPU() < 2 {
		return nil, fmt.Errorf("%w: two processes need two processors", errSkip)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	events := busyEvents
	if w.quick {
		events = busyEventsQuick
	}
	h := historyOf(events)
	run := func(processes int) func(context.Context, time.Duration) (result, error) {
		return func(ctx context.Context, _ time.Duration) (result, error) {
			return d.onProduct(ctx, func(schema string, p *product) (result, error) {
				start := func() (*worker, error) { return startWorker(ctx, program, d, schema) }
				return projectIn(ctx, start, p, h, processes)
			})
		}
	}
	const what = "an engine with one processor each and a keyed projection in 8 segments, from the append of the events, to a log they follow, until all checkpoints have passed the head; busy are the processes"
	return &contest{
		close: d.close,
		sides: []side{
			{name: pgOneProcess, unit: "events", what: what, run: run(1)},
			{name: pgTwoProcesses, unit: "events", what: what, run: run(2)},
		},
		claims: []claim{{
			work: "PostgreSQL: two processes, CPU-bound projection", against: "one process", floor: 1.6,
			value: ratio(pgTwoProcesses, pgOneProcess),
		}},
	}, nil
}

// project runs an engine until standard input ends.
func project(ctx context.Context, schema string) error {
	runtime.GOMAXPROCS(1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, nobody is there any more
		stop()
	}()
	p, err := (&pgDatabase{url: os.Getenv(taskURL)}).product(ctx, schema)
	if err != nil {
		return err
	}
	engine := projection.NewEngine(p.log, p.store)
	err = engine.Add(projection.Segmented(busySegments, busyModel()))
	if err == nil {
		err = engine.Run(ctx)
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, p.close())
}

// worker is a process that runs an engine.
type worker struct {
	command *exec.Cmd
	input   io.Closer
	failure bytes.Buffer
}

func startWorker(ctx context.Context, program string, d *pgDatabase, schema string) (*worker, error) {
	w := &worker{command: exec.CommandContext(ctx, program, taskArgument, taskProject, schema)}
	w.command.Env = append(os.Environ(), taskURL+"="+d.url)
	w.command.Stderr = &w.failure
	input, err := w.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	w.input = input
	return w, w.command.Start()
}

// stop lets the process end and returns how long it kept processors busy.
func (w *worker) stop() (time.Duration, error) {
	err := errors.Join(w.input.Close(), w.command.Wait())
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", taskProject, err, w.failure.String())
	}
	return w.command.ProcessState.UserTime() + w.command.ProcessState.SystemTime(), nil
}

// projectIn has processes share the segments of an empty log out, appends the events, and times until all are projected.
func projectIn(ctx context.Context, start func() (*worker, error), p *product, h history, processes int) (got result, err error) {
	var busy time.Duration
	workers := make([]*worker, 0, processes)
	finish := func() (err error) {
		for _, w := range workers {
			kept, failure := w.stop()
			busy += kept
			err = errors.Join(err, failure)
		}
		workers = nil
		return err
	}
	defer func() { err = errors.Join(err, finish()) }()
	for range processes {
		w, err := start()
		if err != nil {
			return result{}, err
		}
		workers = append(workers, w)
	}
	if err := awaitShares(ctx, p, processes); err != nil {
		return result{}, err
	}
	watch := startWatch()
	err = p.fill(ctx, h.events, func(n int) (string, int64, carillon.Message) {
		customer := shuffled(n)
		return customerStream(customer), int64(n/readModelRows) + 1, carillon.Message{Key: customer, Payload: payloadFor(n, customer)}
	})
	if err != nil {
		return result{}, err
	}
	for segment := range busySegments {
		if err := awaitCheckpoint(ctx, p, segment, carillon.Position(h.events)); err != nil {
			return result{}, err
		}
	}
	got = watch.stop(int64(h.events))
	err = errors.Join(finish(), checkBusy(ctx, p, h))
	got.busy = busy
	return got, err
}

// awaitShares returns once each of the processes has its share of the segments.
func awaitShares(ctx context.Context, p *product, processes int) error {
	shared, ok := p.store.(carillon.LeaseStore)
	if !ok {
		return carillon.ErrUnsupported
	}
	limited, cancel := context.WithTimeout(ctx, sharedOut)
	defer cancel()
	return await(limited, func() (bool, error) {
		leases, err := shared.Leases().List(limited, "projection/")
		if err != nil {
			return false, err
		}
		shares := make(map[string]int)
		for _, lease := range leases {
			if lease.Left > 0 {
				shares[lease.Holder]++
			}
		}
		for _, share := range shares {
			if share != busySegments/processes {
				return false, nil
			}
		}
		return len(shares) == processes, nil
	})
}

// awaitCheckpoint returns once a segment has passed a position.
func awaitCheckpoint(ctx context.Context, p *product, segment int, position carillon.Position) error {
	ref := carillon.ModelRef{Name: busyModel().Name(), Segment: segment}
	return await(ctx, func() (bool, error) {
		_, at, err := p.store.ReadModels().Row(ctx, ref, "")
		if errors.Is(err, carillon.ErrNotFound) {
			err = nil
		}
		return at >= position, err
	})
}

// await returns once a condition holds. It looks every hundredth of a second.
func await(ctx context.Context, condition func() (bool, error)) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if done, err := condition(); done || err != nil {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkBusy compares the rows with what must come out, and one of them with the whole computation.
func checkBusy(ctx context.Context, p *product, h history) error {
	rows := make(map[string]Customer)
	var first busyCustomer
	for entry, err := range projection.NewView(busyModel(), p.store.ReadModels(), codec.JSON()).All(ctx) {
		if err != nil {
			return err
		}
		rows[entry.Key] = entry.State.Customer
		if entry.Key == shuffled(0) {
			first = entry.State
		}
	}
	want := busyCustomer{}
	for n := 0; n < h.events; n += readModelRows {
		want = want.placed(orderFor(n, shuffled(0)))
	}
	if first != want {
		return fmt.Errorf("the row of customer %s is %+v, want %+v", shuffled(0), first, want)
	}
	return h.check(rows)
}
