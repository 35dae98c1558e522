package archtest_test

import (
	"testing"

	"github.com/carillon-go/carillon/internal/archtest"
)

const repository = "../.."

func TestTheRepositoryKeepsItsLaw(t *testing.T) {
	t.Parallel()
	report(t)(archtest.Check(repository))
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	report(t)(archtest.CheckLinks(repository))
}

func TestTheGlossaryNamesWhatExists(t *testing.T) {
	t.Parallel()
	report(t)(archtest.CheckNames(repository, "docs/glossary.md"))
}

func report(t *testing.T) func(violations []string, err error) {
	t.Helper()
	return func(violations []string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, violation := range violations {
			t.Error(violation)
		}
	}
}
