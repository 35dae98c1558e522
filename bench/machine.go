package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/ncruces/go-sqlite3"
)

// machine is where a run took place. What the system does not tell is "unknown".
type machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	SQLite     string `json:"sqlite"`
	PostgreSQL string `json:"postgresql,omitempty"` // empty when there is none
	Brokers    string `json:"brokers,omitempty"`    // likewise
	Filesystem string `json:"filesystem"`
}

const unknown = "unknown"

func describeMachine(ctx context.Context, dir, postgres string) (machine, error) {
	version, err := sqliteVersion()
	if err != nil {
		return machine{}, err
	}
	server, err := postgresVersion(ctx, postgres)
	if err != nil {
		return machine{}, err
	}
	brokers, err := brokerVersions(ctx)
	return machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		Kernel: runtime.GOOS + "/" + runtime.GOARCH + " " + line("/proc/sys/kernel/osrelease"),
		Go:     strings.TrimPrefix(runtime.Version(), "go"), SQLite: version, PostgreSQL: server, Brokers: brokers,
		Filesystem: filesystem(dir),
	}, err
}

// String is the machine in one line.
func (m machine) String() string {
	text := fmt.Sprintf("%s, %d cores, %s, Go %s, SQLite %s, %s", m.CPU, m.Cores, m.Kernel, m.Go, m.SQLite, m.Filesystem)
	if m.PostgreSQL != "" {
		text += ", PostgreSQL " + m.PostgreSQL
	}
	if m.Brokers != "" {
		text += ", " + m.Brokers
	}
	return text
}

// postgresVersion is the version of a server, empty when there is none.
func postgresVersion(ctx context.Context, url string) (string, error) {
	if url == "" {
		return "", nil
	}
	return pgOnce(ctx, &pgDatabase{url: url}, func(conn *pgx.Conn) (version string, err error) {
		err = conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
		return version, err
	})
}

func sqliteVersion() (string, error) {
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stmt, err := prepare(conn, "SELECT sqlite_version()")
	if err != nil {
		return "", err
	}
	defer stmt.Close()
	stmt.Step()
	return stmt.ColumnText(0), stmt.Err()
}

// line is the first line of a file.
func line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return unknown
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first
}

// field is the value of the first line "name : value" of a file.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// filesystem is the type of the filesystem a directory lies on.
func filesystem(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return unknown
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return unknown
	}
	found, longest := unknown, -1
	for line := range strings.Lines(string(mounts)) {
		parts := strings.Fields(line)
		if len(parts) < 3 {
			continue
		}
		at := strings.TrimSuffix(parts[1], "/") + "/"
		if strings.HasPrefix(dir+"/", at) && len(at) >= longest {
			found, longest = parts[2], len(at)
		}
	}
	return found
}
