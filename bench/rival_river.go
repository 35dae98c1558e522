package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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

// riverTables makes River's tables in a new schema, and connections that find them.
func riverTables(ctx context.Context, d *pgDatabase, schema string) (*pgxpool.Pool, error) {
	if err := d.exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		return nil, err
	}
	pool, err := d.pool(ctx, schema, riverCallers)
	if err != nil {
		return nil, err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema})
	if err == nil {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err == nil {
		err = connect(ctx, pool, riverCallers)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// riverInserts lets callers insert jobs, one a transaction, and counts what the table holds.
func riverInserts(ctx context.Context, d *pgDatabase, duration time.Duration) (got result, err error) {
	schema := d.name()
	pool, err := riverTables(ctx, d, schema)
	if err != nil {
		return result{}, err
	}
	defer func() {
		pool.Close()
		err = errors.Join(err, d.drop(schema))
	}()
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(pool), &river.Config{Schema: schema})
	if err != nil {
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
