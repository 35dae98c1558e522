package conformance

import (
	"context"
	"errors"
	"os"
	"testing"
)

// checked is a check of what an Opener opens.
type checked[Opener any] interface {
	title() string
	against(ctx context.Context, t testing.TB, open Opener, settings settings) error
}

func (c check) title() string       { return c.name }
func (c brokerCheck) title() string { return c.name }

// perform makes the checks of a kit, side by side, and returns when all have ended.
func perform[Opener any, Check checked[Opener]](t *testing.T, kit string, checks []Check, open Opener, options []LogOption) {
	t.Helper()
	settings, err := newSettings(os.Getenv, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Run(kit, func(t *testing.T) {
		t.Logf("sizes %+v, seed %d (repeat with %s=%d)", settings.sizes, settings.seed, seedVariable, settings.seed)
		for _, check := range checks {
			t.Run(check.title(), func(t *testing.T) {
				t.Parallel()
				err := check.against(t.Context(), t, open, settings)
				if reason, skipped := errors.AsType[skip](err); skipped {
					t.Skip(string(reason))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	})
}
