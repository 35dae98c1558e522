//go:build unix

package sqlite

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// modes opens a file as another process with a umask, and returns the modes of the files that are there while it is open.
func modes(t *testing.T, umask, path string) map[string]os.FileMode {
	t.Helper()
	direct := helper(t, "hold", path)
	command := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", "umask " + umask + `; exec "$0" "$@"`}, direct.Args...)...)
	command.Env, command.Stderr = direct.Env, direct.Stderr
	release, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatalf("the other process said %q: %v", line, err)
	}
	found := make(map[string]os.FileMode)
	for _, suffix := range []string{"", "-wal", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		found[suffix] = info.Mode()
	}
	if err := release.Close(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"000", "022", "077"} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			for suffix, mode := range modes(t, umask, filepath.Join(t.TempDir(), "a + b&c%20.db")) {
				if mode != 0o600 {
					t.Errorf("file%s has mode %v", suffix, mode)
				}
			}
		})
	}
}

// The mode of a file that is there is its owner's business, and the write-ahead log must be read by whoever reads the file.
func TestModeOfAFileThatIsThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "there.db")
	for _, file := range []string{path, path + ".lock"} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	for suffix, mode := range modes(t, "077", path) {
		if mode != 0o640 {
			t.Errorf("file%s has mode %v", suffix, mode)
		}
	}
}
