package username_test

import (
	"testing"

	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/examples/username"
)

type (
	claim    = username.Claim
	rename   = username.Rename
	release  = username.Release
	claimed  = username.Claimed
	released = username.Released
)

func TestClaim(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, username.Decider()).
		When(claim{"1", "Ann"}).Then(claimed{"1", "Ann"}).
		When(claim{"2", "Ann"}).ThenRejected("the name Ann is taken").
		When(claim{"2", "aNN"}).ThenRejected("the name aNN is taken").
		When(claim{"1", "cid"}).ThenRejected("user 1 is called Ann already").
		When(claim{"2", "bob"}).Then(claimed{"2", "bob"})
}

func TestRelease(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, username.Decider()).
		Given(claimed{"1", "ann"}, claimed{"2", "bob"}).
		When(release{"1"}).Then(released{"1", "ann"}).
		When(release{"1"}).ThenNothing().
		When(claim{"2", "ann"}).ThenRejected("user 2 is called bob already").
		When(claim{"3", "ANN"}).Then(claimed{"3", "ANN"}).
		When(claim{"1", "ann"}).ThenRejected("the name ann is taken").
		When(claim{"1", "dan"}).Then(claimed{"1", "dan"})
}

func TestRename(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, username.Decider()).
		Given(claimed{"1", "ann"}, claimed{"2", "bob"}).
		When(rename{"1", "Bob"}).ThenRejected("the name Bob is taken").
		When(rename{"1", "ann"}).ThenNothing().
		When(rename{"1", "Ann"}).Then(released{"1", "ann"}, claimed{"1", "Ann"}).
		When(rename{"1", "cid"}).Then(released{"1", "Ann"}, claimed{"1", "cid"}).
		When(rename{"2", "ann"}).Then(released{"2", "bob"}, claimed{"2", "ann"}).
		When(claim{"3", "bob"}).Then(claimed{"3", "bob"}).
		When(rename{"1", "ann"}).ThenRejected("the name ann is taken").
		When(rename{"4", "dan"}).ThenRejected("user 4 has no name to change")
}

func TestNamesAreChecked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		want string
	}{
		{"ann", ""},
		{"Ann-2.b", ""},
		{"a", "name: it has 2 to 32 characters"},
		{"a name of more than thirty-two bytes", "name: it has 2 to 32 characters"},
		{"an n", "name: it holds letters a to z, digits, dots and hyphens, not ' '"},
		{"аnn", "name: it holds letters a to z, digits, dots and hyphens, not 'а'"}, // the first letter is Cyrillic
	}
	for _, test := range tests {
		for _, err := range []error{claim{"1", test.name}.Validate(), rename{"1", test.name}.Validate()} {
			if got := said(err); got != test.want {
				t.Errorf("%q: %q, want %q", test.name, got, test.want)
			}
		}
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
