package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// open opens a store that the test closes.
func openFile(t *testing.T, source *Source) carillon.Store {
	t.Helper()
	store, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// event is one event, complete as the log port wants it.
func event(id string) carillon.Message {
	return carillon.Message{ID: id, Type: "thing.happened", SchemaVersion: 1, ContentType: carillon.ContentTypeJSON, Payload: []byte(`{}`)}
}

func appendOne(ctx context.Context, log carillon.Log, stream, id string) error {
	verdicts, err := log.Append(ctx, []carillon.Append{
		{Stream: stream, Expect: carillon.AnyVersion(), Events: []carillon.Message{event(id)}},
	})
	if err == nil {
		err = verdicts[0].Err
	}
	return err
}

// helperVariable makes the test binary act as another process: its value is what to do.
const helperVariable = "CARILLON_SQLITE_HELPER"

// What the task of appending writes, and how often.
const (
	acknowledged = 100
	ackMark      = "acknowledged append"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(helperVariable); task != "" {
		if err := help(task, os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// help carries out a task as another process, on a file.
func help(task, path string) error {
	ctx := context.Background()
	switch task {
	case "hold":
		store, err := File(path).Open(ctx)
		if err != nil {
			return err
		}
		if err := appendOne(ctx, store.Log(), "s", "held"); err != nil {
			return err
		}
		fmt.Println("holding")
		_, err = io.Copy(io.Discard, os.Stdin)
		return errors.Join(err, store.Close())
	case "append":
		return appendAndAcknowledge(ctx, File(path))
	case "append unflushed":
		return appendAndAcknowledge(ctx, File(path, WithPossibleLoss(WholeFile)))
	default:
		return fmt.Errorf("no such task: %s", task)
	}
}

// appendAndAcknowledge appends one event at a time and writes a mark once each is acknowledged, as a server answers its client.
func appendAndAcknowledge(ctx context.Context, source *Source) error {
	store, err := source.Open(ctx)
	if err != nil {
		return err
	}
	log := eventlog.New(store.Log())
	for i := range acknowledged {
		stream := fmt.Sprintf("s-%d", i)
		_, err := log.Append(ctx, carillon.Append{Stream: stream, Expect: carillon.NoStream(), Events: []carillon.Message{event(stream)}})
		if err != nil {
			return err
		}
		fmt.Printf("%s %d\n", ackMark, i)
	}
	return store.Close()
}

// helper is a command that runs this test binary as another process.
func helper(t *testing.T, task, path string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], path)
	command.Env = append(os.Environ(), helperVariable+"="+task)
	command.Stderr = t.Output()
	return command
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shared.db")
	other := helper(t, "hold", path)
	release, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatalf("the other process said %q: %v", line, err)
	}

	if _, err := File(path).Open(t.Context()); !errors.Is(err, carillon.ErrInUse) {
		t.Errorf("opening a file that another process writes: got %v, want %v", err, carillon.ErrInUse)
	}

	// Reading beside the running writer is fine.
	reader := openFile(t, ReadOnly(path))
	page, err := reader.Log().Read(t.Context(), carillon.AllEvents(), 0, 10)
	if err != nil || len(page.Events) != 1 {
		t.Errorf("reading beside the writer: got %d events, %v; want 1", len(page.Events), err)
	}
	if err := appendOne(t.Context(), reader.Log(), "s", "x"); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("appending to a file opened for reading: got %v, want %v", err, carillon.ErrUnsupported)
	}

	if err := release.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	openFile(t, File(path)) // the lock went with the process
}

func TestSecondOpenInTheSameProcessIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "own.db")
	openFile(t, File(path))
	if _, err := File(path).Open(t.Context()); !errors.Is(err, carillon.ErrInUse) {
		t.Errorf("got %v, want %v", err, carillon.ErrInUse)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	text := filepath.Join(directory, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	remote := File(filepath.Join(directory, "remote.db"))
	remote.networkFilesystem = func(string) (string, error) { return "NFS", nil }
	for name, test := range map[string]struct {
		source *Source
		want   error
	}{
		"a directory":                    {File(directory), carillon.ErrInvalid},
		"a file that is no database":     {File(text), carillon.ErrCorrupt},
		"a network filesystem":           {remote, carillon.ErrNetworkFilesystem},
		"a missing file to read":         {ReadOnly(filepath.Join(directory, "none.db")), carillon.ErrNotFound},
		"a file in a missing directory":  {File(filepath.Join(directory, "none", "x.db")), os.ErrNotExist},
		"a newer schema":                 {File(newerSchema(t)), carillon.ErrSchemaNewer},
		"a newer schema, to be read":     {ReadOnly(newerSchema(t)), carillon.ErrSchemaNewer},
		"somebody else's file, to read":  {ReadOnly(foreignFile(t)), nil},
		"an older schema, to be read":    {ReadOnly(olderSchema(t)), carillon.ErrUnsupported},
		"a context that has ended":       {File(filepath.Join(directory, "late.db")), context.Canceled},
		"a context that has ended, read": {ReadOnly(olderSchema(t)), context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if errors.Is(test.want, context.Canceled) {
				ended, cancel := context.WithCancel(ctx)
				cancel()
				ctx = ended
			}
			store, err := test.source.Open(ctx)
			if err == nil {
				_ = store.Close()
				t.Fatal("it opened")
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %q", err)
			}
		})
	}
}

// newerSchema makes a file whose schema is of a later version.
func newerSchema(t *testing.T) string {
	t.Helper()
	return altered(t, "INSERT INTO "+migrationTable+" (version_id, is_applied) VALUES (999, 1)")
}

// olderSchema makes a file that this version has not brought up to date.
func olderSchema(t *testing.T) string {
	t.Helper()
	return altered(t, "DELETE FROM "+migrationTable+" WHERE version_id > 0")
}

// altered makes a store's file and changes it behind its back.
func altered(t *testing.T, statement string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "altered.db")
	store, err := File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, path, statement)
	return path
}

func foreignFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.db")
	execute(t, path, "CREATE TABLE theirs (x)")
	return path
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := driver.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func(db *sql.DB) {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}(db)
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestEngineVersions(t *testing.T) {
	t.Parallel()
	for version, old := range map[string]bool{
		"3.51.2": true, "3.7.0": true, "3.50.9": true, "2.9.9": true,
		"3.51.3": false, "3.51.10": false, "3.53.4": false, "4.0.0": false,
	} {
		err := checkEngine(version, nil)
		if got := errors.Is(err, carillon.ErrEngineTooOld); got != old {
			t.Errorf("version %s: got %v, want refused: %t", version, err, old)
		}
	}
	if err := checkEngine(engineVersion()); err != nil {
		t.Errorf("the engine that is built in: %v", err)
	}
}
