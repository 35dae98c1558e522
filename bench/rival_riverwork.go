package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// riverJobs is how many jobs wait for River at most: more than it works off in a run.
const riverJobs = 40_000

// riverWorker works jobs off that do nothing.
type riverWorker struct {
	river.WorkerDefaults[riverJob]

	worked atomic.Int64
}

// Work counts the job.
func (w *riverWorker) Work(context.Context, *river.Job[riverJob]) error {
	w.worked.Add(1)
	return nil
}

// riverWorks has River work off jobs that wait.
func riverWorks(ctx context.Context, d *pgDatabase, duration time.Duration, all int) (got result, err error) {
	schema := d.name()
	pool, err := riverTables(ctx, d, schema)
	if err != nil {
		return result{}, err
	}
	defer func() {
		pool.Close()
		err = errors.Join(err, d.drop(schema))
	}()
	worker := &riverWorker{}
	workers := river.NewWorkers()
	river.AddWorker(workers, worker)
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(pool), &river.Config{
		Schema: schema, Workers: workers, FetchCooldown: time.Millisecond, FetchPollInterval: time.Millisecond,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1000}},
	})
	if err != nil {
		return result{}, err
	}
	job := river.InsertManyParams{Args: riverJob{orderFor(1, customerKey(1))}}
	err = eachParcel(all, func(batch []parcel) error {
		jobs := make([]river.InsertManyParams, len(batch))
		for i := range jobs {
			jobs[i] = job
		}
		_, err := client.InsertManyFast(ctx, jobs)
		return err
	})
	if err != nil {
		return result{}, err
	}
	if err := client.Start(ctx); err != nil {
		return result{}, err
	}
	got, err = drained(ctx, duration, all, func() (int64, error) { return worker.worked.Load(), nil })
	return got, errors.Join(err, client.Stop(context.WithoutCancel(ctx)))
}
