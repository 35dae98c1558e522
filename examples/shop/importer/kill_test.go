package importer_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/importer"
	"github.com/carillon-go/carillon/examples/shop/retail"
	"github.com/carillon-go/carillon/internal/backends"
)

const (
	// kills is how many processes die; each dies in the middle of an import.
	kills = 50
	// invoices is how many the file has: enough for an import to outlive a few kills.
	invoices = 3000
	// taskVariable makes the test binary act as the process that imports.
	taskVariable = "CARILLON_IMPORT_TASK"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(taskVariable); task != "" {
		if err := importAs(task, os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// importAs imports a file into a store and returns when every read model has caught up.
func importAs(task, store, file string) error {
	var opener carillon.Opener = sqlite.File(store)
	if schema, ok := strings.CutPrefix(store, schemaPrefix); ok {
		opener = postgres.URL(os.Getenv(backends.Postgres), postgres.Schema(schema))
	}
	if task == "torn" {
		opener = tornOpener{opener}
	}
	return importInto(context.Background(), opener, file)
}

func importInto(ctx context.Context, opener carillon.Opener, file string) (err error) {
	ctx, stop := context.WithCancel(ctx)
	service, _ := shop.New(opener, "")
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	running, err := service.Running(ctx)
	if err != nil {
		return err
	}
	rejects := importer.RejectsTo(file + ".rejects")
	reader, err := retail.Open(file, retail.OnReject(rejects.Row))
	if err != nil {
		return err
	}
	defer reader.Close()
	if _, err := importer.Import(ctx, running.Bus, reader, rejects); err != nil {
		return err
	}
	head, err := running.Log.Head(ctx)
	if err != nil {
		return err
	}
	return running.Projections.WaitAll(ctx, head)
}

// content is everything that must not depend on kills: the events of each stream and the rows of each read model.
type content struct {
	streams map[string][]string
	rows    map[string]map[string]string
}

func contentOf(t *testing.T, path string) content {
	t.Helper()
	return contentIn(t, sqlite.ReadOnly(path))
}

func contentIn(t *testing.T, opener carillon.Opener) content {
	t.Helper()
	store, err := opener.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	c := content{streams: make(map[string][]string), rows: make(map[string]map[string]string)}
	for after, more := carillon.Position(0), true; more; {
		page, err := store.Log().Read(t.Context(), carillon.AllEvents(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			event := &page.Events[i]
			if event.Position != after+carillon.Position(i)+1 {
				t.Fatalf("there is a hole before position %d", event.Position)
			}
			c.streams[event.Stream] = append(c.streams[event.Stream], event.Type+" "+string(event.Payload))
		}
		after, more = page.Through, page.More
	}
	models, err := store.ReadModels().Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range models {
		rows, err := store.ReadModels().Rows(t.Context(), carillon.ModelRef{Name: model.Name}, "", invoices*10)
		if err != nil {
			t.Fatal(err)
		}
		c.rows[model.Name] = make(map[string]string)
		for _, row := range rows {
			c.rows[model.Name][row.Key] = fmt.Sprintf("%d %s", row.Version, row.Value)
		}
	}
	return c
}

func (c content) equal(other content) bool {
	return cmp.Equal(c.streams, other.streams) && maps.EqualFunc(c.rows, other.rows, maps.Equal)
}

func generated(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "retail.csv")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := retail.Generate(file, invoices, 1); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Imports are killed at random moments and started again until they finish, over and over: in the end each log holds what an
// undisturbed one does, and each read model the same rows.
func TestKilledImports(t *testing.T) {
	t.Parallel()
	file := generated(t)
	want := undisturbed(t, file)
	finished := 0
	for killed := 0; killed < kills; finished++ {
		store := filepath.Join(t.TempDir(), "killed.db")
		killed += killUntilDone(t, "import", store, file, kills-killed)
		if got := contentOf(t, store); !got.equal(want) {
			t.Fatalf("import %d differs from the undisturbed one:\n%s", finished, cmp.Diff(want.rows, got.rows))
		}
	}
	t.Logf("%d kills during %d imports", kills, finished)
}

// The same with a store that writes the checkpoint in a transaction of its own: rows count twice, and the comparison shows it.
func TestKilledImportsWithoutOneTransaction(t *testing.T) {
	t.Parallel()
	file := generated(t)
	want := undisturbed(t, file)
	for killed := 0; killed < kills; {
		store := filepath.Join(t.TempDir(), "torn.db")
		killed += killUntilDone(t, "torn", store, file, kills-killed)
		if !contentOf(t, store).equal(want) {
			return // as it must come
		}
	}
	t.Errorf("%d kills between rows and checkpoint made no difference: the test would not see the fault it is for", kills)
}

func undisturbed(t *testing.T, file string) content {
	t.Helper()
	store := filepath.Join(t.TempDir(), "undisturbed.db")
	if err := importInto(t.Context(), sqlite.File(store), file); err != nil {
		t.Fatal(err)
	}
	return contentOf(t, store)
}

// killUntilDone starts imports into a store and kills them, at most so many, then lets one finish. It returns how many were
// killed before they finished.
func killUntilDone(t *testing.T, task, store, file string, limit int) (killed int) {
	t.Helper()
	for {
		command := exec.CommandContext(t.Context(), os.Args[0], store, file)
		command.Env = append(os.Environ(), taskVariable+"="+task)
		command.Stderr = t.Output()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		var kill <-chan time.Time
		if killed < limit {
			kill = time.After(20*time.Millisecond + rand.N(500*time.Millisecond))
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return killed
		case <-kill:
			if err := command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				return killed // it finished first
			}
			killed++
		}
	}
}
