package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// minimumEngine is the first SQLite without the WAL-reset race that corrupted files (sqlite.org, release 3.51.3).
const minimumEngine = "3.51.3"

// engineVersion asks the engine itself, since a build may have replaced it.
func engineVersion() (string, error) {
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stmt, _, err := conn.Prepare("SELECT sqlite_version()")
	if err != nil {
		return "", err
	}
	defer stmt.Close()
	stmt.Step()
	return stmt.ColumnText(0), stmt.Err()
}

func checkEngine(version string, err error) error {
	if err != nil {
		return fmt.Errorf("ask SQLite for its version: %w", err)
	}
	if olderThan(version, minimumEngine) {
		return fmt.Errorf("SQLite %s has known corruption bugs, %s or newer is needed: build with a newer github.com/ncruces/go-sqlite3: %w",
			version, minimumEngine, carillon.ErrEngineTooOld)
	}
	return nil
}

// olderThan compares versions of the form 3.51.3; what is no number counts as 0.
func olderThan(version, minimum string) bool {
	have, need := strings.Split(version, "."), strings.Split(minimum, ".")
	for i := range need {
		var h int
		if i < len(have) {
			h, _ = strconv.Atoi(have[i])
		}
		n, _ := strconv.Atoi(need[i])
		if h != n {
			return h < n
		}
	}
	return false
}
