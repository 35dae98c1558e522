package archtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/internal/archtest"
)

func TestCheckLinks(t *testing.T) {
	t.Parallel()
	root := build(t, map[string]string{
		"docs/more.md": "[gone](gone.md) [here](page.md) [self](#here) [up](../sourcing/sourcing.go) [away](../nowhere/x.md#y)\n",
	})
	got, err := archtest.CheckLinks(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docs/more.md links to ../nowhere/x.md, which is not there",
		"docs/more.md links to gone.md, which is not there",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestCheckNames(t *testing.T) {
	t.Parallel()
	root := build(t, map[string]string{
		"sourcing/decider.go": `package sourcing

type (
	Decider[S any] struct{ Initial S }
	Fold           func()
)

const Limit = 1

func New() {}

func (d *Decider[S]) Decide() {}
`,
		"docs/glossary.md": "`house.Port` `house.Port.Do` `sourcing.Decider.Decide` `sourcing.Decider.Initial` `sourcing.Fold` `sourcing.Limit` `sourcing.New`\n" +
			"`house.Gone` `nowhere.Thing` `sourcing.Decider.Evolve` `sourcing.Fold.Decide`\n",
	})
	got, err := archtest.CheckNames(root, "docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docs/glossary.md speaks of `house.Gone`, which nothing declares",
		"docs/glossary.md speaks of `nowhere.Thing`, which nothing declares",
		"docs/glossary.md speaks of `sourcing.Decider.Evolve`, which nothing declares",
		"docs/glossary.md speaks of `sourcing.Fold.Decide`, which nothing declares",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
