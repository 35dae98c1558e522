package conformance

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
)

// asAdapter makes TestAdapter run in a process of its own, on a log that skips conditions.
const asAdapter = "CONFORMANCE_TEST_ADAPTER"

// TestAdapter is what an adapter author writes. It fails, and is only run by TestLogFailsTheTest.
func TestAdapter(t *testing.T) {
	if os.Getenv(asAdapter) == "" {
		t.Skip("run by TestLogFailsTheTest")
	}
	Log(t, alterAppends(func(a *carillon.Append) { a.Condition = nil }), WithSizes(testSizes()))
}

// TestLogFailsTheTest runs the test of a broken adapter and reads what it prints.
func TestLogFailsTheTest(t *testing.T) {
	t.Parallel()
	run := func(environment ...string) string {
		binary, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), binary, "-test.run=^TestAdapter$", "-test.v")
		command.Env = append(append(os.Environ(), asAdapter+"=1"), environment...)
		output, err := command.CombinedOutput()
		if err == nil {
			t.Fatalf("the test of a broken log passed:\n%s", output)
		}
		return string(output)
	}
	output := run()
	for _, want := range []string{
		"--- FAIL: TestAdapter/Log/condition_guard",
		"--- FAIL: TestAdapter/Log/boundary_race",
		"--- PASS: TestAdapter/Log/version_guard",
		"--- SKIP: TestAdapter/Log/slow_commits",
		"WithSlowCommits",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("the output does not contain %q:\n%s", want, output)
		}
	}
	history := regexp.MustCompile(`history with seed .*`)
	seed := regexp.MustCompile(`repeat with (CARILLON_CONFORMANCE_SEED=\d+)\): step`).FindStringSubmatch(output)
	if seed == nil {
		t.Fatalf("the output names no seed of the history that failed:\n%s", output)
	}
	if first, again := history.FindString(output), history.FindString(run(seed[1])); first != again {
		t.Errorf("repeated with %s, the history failed otherwise:\n%s\n%s", seed[1], first, again)
	}
}
