package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverCallers is how many callers insert River's jobs, each over a connection of its own.
const riverCallers = 16

// riverJob is an order as a job: its arguments are the same JSON as the event's payload.
type riverJob struct{ OrderPlaced }

// Kind names the job to River.
func (riverJob) Kind() string { return orderPlaced }

// riverInserts lets callers insert jobs, one a transaction, and counts what the table holds.
func riverInserts(ctx context.Context, d *pgDatabase, duration time.Duration) (got result, err error) {
	schema := d.name()
	if err := d.exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, d.drop(schema)) }()
	pool, err := d.pool(ctx, schema, riverCallers)
	if err != nil {
		return result{}, err
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: schema})
	if err != nil {
		return result{}, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return result{}, err
	}
	client, err := river.NewClient[pgx.Tx](driver, &river.Config{Schema: schema})
	if err != nil {
		return result{}, err
	}
	if err := (&pgHandLog{pool: pool}).connect(ctx, riverCallers); err != nil {
		return result{}, err
	}
	job := riverJob{orderFor(1, customerKey(1))}
	got, err = crowd(riverCallers, duration, func(int, int) error {
		_, err := client.Insert(ctx, job, nil)
		return err
	})
	if err != nil {
		return result{}, err
	}
	var jobs int64
	err = pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE kind = $1 AND args->>'order' <> ''", orderPlaced).Scan(&jobs)
	if err == nil && jobs != got.done {
		err = fmt.Errorf("%d jobs were acknowledged, the table holds %d", got.done, jobs)
	}
	return got, err
}
