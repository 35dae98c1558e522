package jetstream

import (
	"errors"
	"testing"

	"github.com/carillon-go/carillon"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, safe := range map[string]bool{
		"2.11.15": false, "2.12.6": false, "2.12.7": true, "2.12.12": true, "2.13.9": false, "2.14.0": true, "2.14.0-RC.1": true, "2.15.2": true,
		"3.0.0": true, "": false, "new": false,
	} {
		if err := checkVersion(version); (err == nil) != safe || err != nil && !errors.Is(err, carillon.ErrUnsafe) {
			t.Errorf("version %q: %v", version, err)
		}
	}
}
