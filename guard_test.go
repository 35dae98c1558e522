package carillon_test

import (
	"testing"

	"github.com/carillon-go/carillon"
)

func TestExpect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expect  carillon.Expect
		text    string
		version int64
		ok, set bool
	}{
		{carillon.Expect{}, "unset", 0, false, false},
		{carillon.NoStream(), "no stream", 0, true, true},
		{carillon.Exactly(0), "no stream", 0, true, true},
		{carillon.Exactly(7), "version 7", 7, true, true},
		{carillon.AnyVersion(), "any version", 0, false, true},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			if got := test.expect.String(); got != test.text {
				t.Errorf("String() = %q, want %q", got, test.text)
			}
			if version, ok := test.expect.Version(); version != test.version || ok != test.ok {
				t.Errorf("Version() = %d, %v, want %d, %v", version, ok, test.version, test.ok)
			}
			if got := test.expect.IsSet(); got != test.set {
				t.Errorf("IsSet() = %v, want %v", got, test.set)
			}
		})
	}
}
