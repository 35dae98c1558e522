package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/examples/shop/retail"
)

// generate makes a retail file in memory.
func generate(t *testing.T, invoices int, options ...retail.GenerateOption) (content []byte, totals retail.Totals) {
	t.Helper()
	var file bytes.Buffer
	totals, err := retail.Generate(&file, invoices, 7, options...)
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), totals
}

func compressed(t *testing.T, content []byte) []byte {
	t.Helper()
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func writeFile(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// demoArgs is the command line of an import into a directory.
func demoArgs(directory, file string, more ...string) []string {
	return append([]string{"demo", "--addr", "127.0.0.1:0", "--dir", directory, "--import", file}, more...)
}

// lastLine reads the summary off the last line of standard output, with nothing unknown in it.
func lastLine(t *testing.T, stdout string) summary {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	decoder := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	decoder.DisallowUnknownFields()
	var s summary
	if err := decoder.Decode(&s); err != nil {
		t.Fatalf("last line %q: %v", lines[len(lines)-1], err)
	}
	if s.Seconds <= 0 || s.CommandsPerSecond <= 0 {
		t.Errorf("%v seconds, %v commands per second", s.Seconds, s.CommandsPerSecond)
	}
	return s
}

// expected is the summary of a log that holds a generated file.
func expected(totals retail.Totals, rejected, duplicates int) summary {
	return summary{
		Orders: int64(totals.Orders), CreditNotes: int64(totals.CreditNotes), Adjustments: int64(totals.Adjustments),
		WriteOffs: int64(totals.WriteOffs), Rejected: int64(rejected), Duplicates: int64(duplicates), Lines: int64(totals.Lines),
		Events: carillon.Position(totals.Invoices()), Customers: int64(totals.Customers), Products: int64(totals.Products),
		Countries: int64(totals.Countries), NetTotal: totals.Net,
	}
}

// timeless leaves out what differs from run to run.
func timeless(s summary) summary {
	s.Seconds, s.CommandsPerSecond = 0, 0
	return s
}

func TestImportTwice(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	content, totals := generate(t, 300)
	file := writeFile(t, filepath.Join(directory, "retail.csv.gz"), compressed(t, content))
	data := filepath.Join(directory, "new", "data")
	for n, duplicates := range []int{0, totals.Invoices()} {
		s := lastLine(t, mustRun(t, demoArgs(data, file, "--exit", "--json")...))
		if diff := cmp.Diff(expected(totals, 0, duplicates), timeless(s)); diff != "" {
			t.Errorf("run %d, -want +got:\n%s", n+1, diff)
		}
	}
	if _, err := os.Stat(filepath.Join(data, rejectsName)); !os.IsNotExist(err) {
		t.Errorf("a rejects file without rejects: %v", err)
	}
}

func TestSummaryHasItsFieldsAndNoOthers(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	content, _ := generate(t, 40)
	file := writeFile(t, filepath.Join(directory, "retail.csv"), content)
	out := mustRun(t, demoArgs(directory, file, "--exit", "--json")...)
	if strings.Count(out, "\n") != 1 {
		t.Errorf("standard output holds more than the summary: %q", out)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(out), &object); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, value := range object {
		got = append(got, name)
		if _, text := value.(string); text != (name == "net_total") {
			t.Errorf("%s is a %T", name, value)
		}
	}
	slices.Sort(got)
	want := strings.Fields("orders credit_notes adjustments write_offs rejected duplicates lines events customers products countries" +
		" net_total seconds commands_per_second")
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRowsThatAreNotAcceptedGoToTheRejectsFile(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	content, totals := generate(t, 120, retail.Dirty())
	file := writeFile(t, filepath.Join(directory, "retail.csv"), content)
	data, rejects := filepath.Join(directory, "data"), filepath.Join(directory, "not accepted.csv")
	for _, test := range []struct {
		args       []string
		path       string
		duplicates int
	}{
		{nil, filepath.Join(data, rejectsName), 0},
		{[]string{"--rejects", rejects}, rejects, totals.Invoices()},
	} {
		r := run(t, demoArgs(data, file, append(test.args, "--exit", "--json")...)...)
		if r.status != StatusOK {
			t.Fatalf("exit %d: %s", r.status, r.stderr)
		}
		s := timeless(lastLine(t, r.stdout))
		if diff := cmp.Diff(expected(totals, len(totals.RejectedLines), test.duplicates), s); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if diff := cmp.Diff(totals.RejectedLines, rejectedLines(t, test.path)); diff != "" {
			t.Errorf("lines in %s, -want +got:\n%s", test.path, diff)
		}
		if want := fmt.Sprintf("%d rows were not accepted, see %s\n", len(totals.RejectedLines), test.path); !strings.Contains(r.stderr, want) {
			t.Errorf("standard error %q lacks %q", r.stderr, want)
		}
	}
}

// rejectedLines reads the line numbers of a rejects file, each of which has a reason.
func rejectedLines(t *testing.T, path string) []int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"line", "invoice", "reason", "row"}, rows[0]); diff != "" {
		t.Errorf("header, -want +got:\n%s", diff)
	}
	var lines []int
	for _, row := range rows[1:] {
		line, err := strconv.Atoi(row[0])
		if err != nil || row[2] == "" {
			t.Errorf("row %q has no number or no reason", row)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestATruncatedFileKeepsWhatWasReadAndIsResumed(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	content, totals := generate(t, 300)
	whole := compressed(t, content)
	file := writeFile(t, filepath.Join(directory, "retail.csv.gz"), whole[:len(whole)*2/3])
	r := run(t, demoArgs(directory, file, "--json")...) // ends without --exit
	message := regexp.MustCompile(`(?m)^carillon: import of retail\.csv\.gz: .*compressed file is truncated.*: what was read stays in (.*), (\d+) events: ` +
		`mend the file and run it again, it goes on where it was$`).FindStringSubmatch(r.stderr)
	if r.status != StatusFailure || r.stdout != "" || message == nil || message[1] != directory {
		t.Fatalf("exit %d, %q, %q", r.status, r.stdout, r.stderr)
	}
	kept, err := strconv.Atoi(message[2])
	if err != nil || kept < 20 || kept >= totals.Invoices() {
		t.Fatalf("kept %s of %d invoices", message[2], totals.Invoices())
	}
	writeFile(t, file, whole)
	s := lastLine(t, mustRun(t, demoArgs(directory, file, "--exit", "--json")...))
	if diff := cmp.Diff(expected(totals, 0, kept), timeless(s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFilesThatCannotBeImported(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, test := range []struct {
		name, content, want string
	}{
		{"missing columns", "InvoiceNo,Quantity\n1,2\n", "missing StockCode, Description, InvoiceDate, UnitPrice, CustomerID, Country"},
		{"empty", "", "missing InvoiceNo"},
		{"damaged", "\x1f\x8b but no gzip", "compressed file is damaged"},
		{"truncated at once", "\x1f\x8b\x08", "compressed file is truncated"},
	} {
		file := writeFile(t, filepath.Join(directory, test.name), []byte(test.content))
		data := filepath.Join(directory, "data")
		r := run(t, demoArgs(data, file, "--exit")...)
		if r.status != StatusFailure || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%s: exit %d, %q, %q; want a line that says %q", test.name, r.status, r.stdout, r.stderr, test.want)
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			t.Errorf("%s: a data directory was made: %v", test.name, err)
		}
	}
	r := run(t, demoArgs(directory, filepath.Join(directory, "nothing.csv"))...)
	if r.status != StatusFailure || strings.Count(r.stderr, "\n") != 1 || !strings.HasSuffix(r.stderr, ": check --import\n") {
		t.Errorf("missing file: exit %d, %q", r.status, r.stderr)
	}
}

func TestTheFileToImportIsNotTakenForRejects(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	content, _ := generate(t, 10)
	file := writeFile(t, filepath.Join(directory, rejectsName), content)
	r := run(t, demoArgs(directory, file, "--exit")...)
	if r.status != StatusUsage || !strings.Contains(r.stderr, "it is the file to import") {
		t.Errorf("exit %d, %q", r.status, r.stderr)
	}
	if kept, err := os.ReadFile(file); err != nil || !bytes.Equal(kept, content) {
		t.Errorf("the file has changed (%v)", err)
	}
}

func TestAnAddressInUseIsTold(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := run(t, "demo", "--addr", listener.Addr().String(), "--sample", "10", "--exit")
	if r.status != StatusFailure || r.stdout != "" || !strings.HasSuffix(r.stderr, ": choose another address with --addr\n") {
		t.Errorf("exit %d, %q, %q", r.status, r.stdout, r.stderr)
	}
}

func TestDemoServesUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	read, write := io.Pipe()
	var stderr strings.Builder
	status := make(chan int, 1)
	go func() {
		args := []string{"demo", "--addr", "127.0.0.1:0", "--sample", "30"}
		code := Run(ctx, args, strings.NewReader(""), write, &stderr)
		_ = write.Close() // never fails
		status <- code
	}()
	printed := map[string]string{}
	lines := bufio.NewScanner(read)
	for printed["net total"] == "" && lines.Scan() {
		if fields := regexp.MustCompile(`\s{2,}`).Split(strings.TrimSpace(lines.Text()), 2); len(fields) == 2 {
			printed[fields[0]] = fields[1]
		}
	}
	data, temporary := strings.CutSuffix(printed["Data"], " (removed at exit)")
	if _, err := os.Stat(filepath.Join(data, storeName)); err != nil || !temporary {
		t.Errorf("data directory %q: %v", printed["Data"], err)
	}
	for _, name := range []string{"Shop", "API docs", "OpenAPI"} {
		if got := statusOf(t, printed[name]); got != http.StatusOK {
			t.Errorf("%s at %q answers %d", name, printed[name], got)
		}
	}
	interrupt()
	if code := <-status; code != StatusOK || stderr.Len() > 0 {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is still there: %v", err)
	}
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

func TestOtherMachinesAreWarnedOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		address, site string
		warned        bool
	}{
		{"127.0.0.1:8080", "http://127.0.0.1:8080/", false},
		{"[::1]:8080", "http://[::1]:8080/", false},
		{"[::]:8080", "http://localhost:8080/", true},
		{"0.0.0.0:8080", "http://localhost:8080/", true},
		{"192.0.2.1:8080", "http://192.0.2.1:8080/", true},
	} {
		var stdout, stderr strings.Builder
		d := &demo{directory: "data", std: &stdio{out: &printer{to: &stdout}, err: &printer{to: &stderr}}}
		d.announce(test.address, "data")
		if got := strings.Contains(stderr.String(), "no authentication"); got != test.warned {
			t.Errorf("%s: standard error is %q", test.address, stderr.String())
		}
		if !strings.Contains(stdout.String(), " "+test.site+"\n") {
			t.Errorf("%s: standard output is %q", test.address, stdout.String())
		}
	}
}

func TestAReadModelThatStandsStillEndsTheWait(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, storeName)
	mustRun(t, "demo", "--dir", directory, "--addr", "127.0.0.1:0", "--sample", "5", "--exit")
	mustRun(t, "projection", "pause", "totals", "--store", path)
	r := run(t, "demo", "--dir", directory, "--addr", "127.0.0.1:0", "--sample", "10", "--exit", "--json")
	if r.status != StatusFailure || r.stdout != "" || !strings.Contains(r.stderr, "read model totals is paused: carillon projection resume totals") {
		t.Errorf("exit %d, %q, %q", r.status, r.stdout, r.stderr)
	}
	if err := with(t.Context(), sqlite.File(path), func(carillon.Store) error { return nil }); err != nil {
		t.Errorf("the store was not closed: %v", err)
	}
}

func TestDemoMakesADirectoryForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "made")
	mustRun(t, "demo", "--dir", directory, "--addr", "127.0.0.1:0", "--sample", "5", "--exit")
	info, err := os.Stat(directory)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("it has mode %v", info.Mode())
	}
}
