//go:build unix

package crashes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/internal/processes"
)

// jobVariable makes the test binary act as a worker process: it holds a job as JSON.
const jobVariable = "CARILLON_CRASHES_JOB"

// job is what a worker process does until its standard input ends.
type job struct {
	Task        string
	URL, Schema string
	// Name tells the workers of a test apart.
	Name string

	// Point is where the process ends by kill -9, or waits for the file Hold if there is one, when it comes there for the Count-th time.
	Point string
	Count int64
	Hold  string

	// appenders and writers
	Ledger  string
	Writers int
	Events  int // of a writer that ends by itself, or where a reader ends

	// projectors
	Models   []string
	Segments int
	Term     time.Duration // 0 for the default
	Torn     bool          // the checkpoint is written in a transaction of its own
	Unfenced bool          // nobody looks at epochs and checkpoints
	Report   bool          // the outcome of each update is said
}

func TestMain(m *testing.M) { processes.Main(m, jobVariable, work) }

func work(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	task, ok := map[string]func(context.Context, job) error{
		"append":  appendForever,
		"project": project,
		"write":   writeAll,
		"tail":    tailAll,
	}[j.Task]
	if !ok {
		return fmt.Errorf("no task %q", j.Task)
	}
	if err := task(ctx, j); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// open opens the job's store, however long the server takes to come back.
func (j job) open(ctx context.Context) (*postgres.Store, error) {
	source := postgres.URL(j.URL, postgres.Schema(j.Schema), postgres.Configure(func(config *pgxpool.Config) { config.MaxConns = 20 }))
	for {
		store, err := source.Open(ctx)
		if err == nil {
			return store.(*postgres.Store), nil
		}
		if !processes.Rest(ctx, 50*time.Millisecond) {
			return nil, err
		}
	}
}

// launch starts a worker, which is killed when the test ends at the latest.
func launch(t testing.TB, j job) (*processes.Process, error) {
	t.Helper()
	return processes.Launch(t, jobVariable, j)
}

// start is launch for tests.
func start(t testing.TB, j job) *processes.Process {
	t.Helper()
	return processes.Start(t, jobVariable, j)
}
