package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/adapter/sqlite"
)

func TestStoreURLs(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("absolute paths have a drive there")
	}
	for _, test := range []struct{ url, path, complaint string }{
		{url: "shop.db", path: "shop.db"},
		{url: "/data/shop.db", path: "/data/shop.db"},
		{url: "./a:b.db", path: "./a:b.db"},
		{url: `C:\data\shop.db`, path: `C:\data\shop.db`},
		{url: "sqlite:shop.db", path: "shop.db"},
		{url: "SQLite:shop.db", path: "shop.db"},
		{url: "sqlite:../data/shop.db", path: "../data/shop.db"},
		{url: "sqlite:/data/shop.db", path: "/data/shop.db"},
		{url: "sqlite:///data/shop.db", path: "/data/shop.db"},
		{url: "sqlite:///my%20data/shop.db", path: "/my data/shop.db"},
		{url: "", complaint: "--store is missing"},
		{url: "sqlite:", complaint: "names no file"},
		{url: "sqlite://", complaint: "absolute path"},
		{url: "sqlite:///", complaint: "absolute path"},
		{url: "sqlite://host/shop.db", complaint: "absolute path"},
		{url: "sqlite:///shop.db?mode=ro", complaint: "absolute path"},
		{url: "sqlite:///shop.db#1", complaint: "absolute path"},
		{url: "sqlite:///%zz", complaint: "absolute path"},
		{url: "mysql://localhost/shop", complaint: "no stores of mysql here"},
		{url: "file:shop.db", complaint: "no stores of file here"},
	} {
		path, err := (&storeFlag{url: test.url}).path()
		switch {
		case test.complaint == "" && (err != nil || path != test.path):
			t.Errorf("%q: got %q, %v, want %q", test.url, path, err, test.path)
		case test.complaint != "" && (err == nil || !isUsage(err) || !strings.Contains(err.Error(), test.complaint)):
			t.Errorf("%q: got %q, %v, want a usage error that says %q", test.url, path, err, test.complaint)
		}
	}
}

func TestStoresThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	text := filepath.Join(directory, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("These are notes.\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, want string
		args       []string
	}{
		{"missing", "there is no such file", []string{"log", "read", "--store", filepath.Join(directory, "nothing.db")}},
		{"missing directory", "check --store", []string{"log", "append", "--type", "noted", "--store", filepath.Join(directory, "no", "log.db")}},
		{"no database", "store corrupt", []string{"stream", "list", "--store", text}},
		{"no database to append to", "store corrupt", []string{"log", "append", "--type", "noted", "--store", text}},
	} {
		r := run(t, test.args...)
		if r.status != StatusFailure || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%s: exit %d, %q, %q; want a line that says %q", test.name, r.status, r.stdout, r.stderr, test.want)
		}
	}
}

func TestAStoreInUseIsReadButNotWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shop.db")
	mustRun(t, "log", "append", "--store", path, "--type", "order.placed", "--stream", "order-1", "--expect", "none")
	writer, err := sqlite.File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, args := range [][]string{
		{"log", "append", "--store", path, "--type", "order.placed"},
		{"projection", "rebuild", "orders", "--store", path},
		{"demo", "--dir", filepath.Dir(path), "--addr", "127.0.0.1:0"},
	} {
		r := run(t, args...)
		if r.status != StatusFailure || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "another process writes to it") {
			t.Errorf("carillon %s: exit %d, %q", strings.Join(args, " "), r.status, r.stderr)
		}
	}
	for _, args := range [][]string{
		{"log", "read", "--store", path},
		{"stream", "show", "order-1", "--store", path},
		{"stream", "list", "--store", path},
		{"projection", "list", "--store", path},
	} {
		mustRun(t, args...)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "log", "append", "--store", path, "--type", "order.placed")
}
