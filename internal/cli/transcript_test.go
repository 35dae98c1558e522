package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// A transcript is a session as it looks: comments, command lines after "$ ", what they print, errors after "! ", and the exit
// status when it is not 0. DIR is a directory of its own, and what differs from run to run is masked.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			checkTranscript(t, file, "DIR", t.TempDir())
		})
	}
}

// checkTranscript compares a file with what happens now. In the transcript the place where it happens has a name.
func checkTranscript(t *testing.T, file, name, place string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(string(content), "\r\n", "\n")
	got := replay(t, want, name, place)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not what happens (-file +now), go test -update writes it anew:\n%s", file, diff)
	}
}

// replay runs the command lines of a transcript and returns it as it looks now.
func replay(t *testing.T, transcript, name, place string) string {
	t.Helper()
	hidden := strings.NewReplacer(place, name)
	if store := (storeFlag{url: place}); store.isServer() {
		hidden = strings.NewReplacer(place, name, describedStore(store), name)
	}
	var out strings.Builder
	for line := range strings.Lines(transcript) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			out.WriteString(line + "\n")
			continue
		}
		command, ok := strings.CutPrefix(line, "$ carillon")
		if !ok {
			continue
		}
		args, stdin := words(t, strings.ReplaceAll(command, name, place))
		r := runWith(t, stdin, args...)
		out.WriteString(line + "\n")
		out.WriteString(masked(hidden.Replace(r.stdout)))
		for report := range strings.Lines(masked(hidden.Replace(r.stderr))) {
			out.WriteString("! " + report)
		}
		if r.status != StatusOK {
			out.WriteString("[exit " + strconv.Itoa(r.status) + "]\n")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// words splits a command line at spaces outside single quotes; what follows <<< is standard input.
func words(t *testing.T, line string) (args []string, stdin string) {
	t.Helper()
	matches := regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1)
	for i := 0; i < len(matches); i++ {
		if matches[i][2] == "<<<" && i+1 < len(matches) {
			i++
			stdin = matches[i][1] + matches[i][2]
			continue
		}
		args = append(args, matches[i][1]+matches[i][2])
	}
	return args, stdin
}

// masked hides what differs from run to run.
func masked(text string) string {
	for _, mask := range []struct{ pattern, mask string }{
		{`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, "ID"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`, "TIME"},
		{`http://127\.0\.0\.1:\d+`, "http://ADDRESS"},
		{`\d+\.\d{3} s\b`, "N s"},
		{`\d+ commands/s`, "N commands/s"},
		{`"(seconds|commands_per_second)":[0-9.]+`, `"$1":N`},
		{`carillon \S+\ngo\S+ \S+\nSQLite [0-9.]+`, "carillon VERSION\ngoVERSION PLATFORM\nSQLite VERSION"},
	} {
		text = regexp.MustCompile(mask.pattern).ReplaceAllString(text, mask.mask)
	}
	return text
}

// result is what one command line did.
type result struct {
	stdout, stderr string
	status         int
}

func run(t *testing.T, args ...string) result {
	t.Helper()
	return runWith(t, "", args...)
}

func runWith(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := Run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return result{stdout: stdout.String(), stderr: stderr.String(), status: status}
}

// mustRun runs a command line that succeeds and returns what it prints.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	r := run(t, args...)
	if r.status != StatusOK {
		t.Fatalf("carillon %s: exit %d: %s", strings.Join(args, " "), r.status, r.stderr)
	}
	return r.stdout
}
