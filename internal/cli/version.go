package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

// versionObject is what version prints.
type versionObject struct {
	Carillon string `json:"carillon"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	SQLite   string `json:"sqlite"`
}

func newVersion(std *stdio) *cobra.Command {
	asJSON := false
	command := &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of this program and of SQLite in it",
		Long:    "Prints the version of this program, of Go, and of the SQLite engine in it, as the engine itself tells.",
		Example: "  carillon version --json",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			engine, err := engineVersion(command.Context())
			if err != nil {
				return err
			}
			versions := versionObject{
				Carillon: moduleVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, SQLite: engine,
			}
			if asJSON {
				return std.out.object(versions)
			}
			std.out.printf("carillon %s\n%s %s\nSQLite %s\n", versions.Carillon, versions.Go, versions.Platform, versions.SQLite)
			return nil
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return command
}

// moduleVersion is the version the program was built as.
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// engineVersion asks SQLite for its version, in a store that is thrown away.
func engineVersion(ctx context.Context) (version string, err error) {
	directory, err := os.MkdirTemp("", "carillon-version-")
	if err != nil {
		return "", fmt.Errorf("ask SQLite for its version: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	err = with(ctx, sqlite.File(filepath.Join(directory, "empty.db")), func(store carillon.Store) error {
		reader, ok := store.(carillon.SQLReader)
		if !ok {
			return carillon.ErrUnsupported
		}
		return reader.ReadSQL().QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version)
	})
	return version, err
}
