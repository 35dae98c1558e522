package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writePage writes the report as a page of the documentation.
func (r *report) writePage(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(r.page()), 0o644)
}

// page is the report in Markdown: ratios first.
func (r *report) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench BENCH_ARGS=\"-write ../docs/reference/benchmarks.md\"`. Do not edit it.\n\n")
	if r.Quick {
		fmt.Fprintf(&b, "**%s**\n\n", quickCaution)
	}
	r.pageMachine(&b)
	r.pageRatios(&b)
	r.pageRates(&b)
	r.pageLimits(&b)
	r.pageCautions(&b)
	return b.String()
}

func (r *report) pageMachine(b *strings.Builder) {
	rows := [][]string{
		{"date", r.Date.Format("2006-01-02 15:04 MST")},
		{"processor", fmt.Sprintf("%s, %d cores", r.Machine.CPU, r.Machine.Cores)},
		{"kernel", r.Machine.Kernel},
		{"Go", r.Machine.Go},
		{"SQLite", r.Machine.SQLite + ", WAL, synchronous=FULL"},
		{"PostgreSQL", r.Machine.postgresSettings()},
		{"brokers", r.Machine.brokerSettings()},
		{"filesystem", r.Machine.Filesystem},
		{"runs", fmt.Sprintf("%d of each side, by turns; %g s each, or once through the log or the file", r.Repetitions, r.Seconds)},
	}
	table(b, []string{"", ""}, rows)
}

func (m machine) postgresSettings() string {
	if m.PostgreSQL == "" {
		return "none"
	}
	return m.PostgreSQL + ", fsync=on, synchronous_commit=on, on the same machine"
}

func (m machine) brokerSettings() string {
	if m.Brokers == "" {
		return "none"
	}
	return m.Brokers + ", as scripts/backends sets them up: Redis and NATS flush every message, unless a row says later"
}

func (r *report) pageRatios(b *strings.Builder) {
	b.WriteString("## Ratios\n\nThe rate of Carillon over that of what it is held against, taken pair by pair from runs that followed one another. The\n" +
		"value is the median, the spread the least and the greatest. Events have 190 bytes of JSON.\n\n")
	rows := make([][]string, len(r.Rows))
	for i, row := range r.Rows {
		rows[i] = []string{
			row.Work, row.Against, "**" + row.number(row.Value.Median) + "**",
			row.number(row.Value.Low) + "–" + row.number(row.Value.High), row.Demand, row.Verdict,
		}
	}
	table(b, []string{"work", "against", "value", "spread", "demanded", ""}, rows)
	if len(r.Skipped) > 0 {
		b.WriteString("Not measured in this run:\n\n")
		for _, skipped := range r.Skipped {
			fmt.Fprintf(b, "- %s\n", skipped)
		}
		b.WriteString("\n")
	}
}

func (r *report) pageRates(b *strings.Builder) {
	b.WriteString("## Rates\n\nUnits a second, and the processors' time for one of them. They belong to this machine; the ratios travel better.\n\n")
	rows := make([][]string, len(r.Rates))
	for i, rate := range r.Rates {
		rows[i] = []string{
			rate.Side, short3(rate.Value.Median) + " " + rate.Unit,
			short3(rate.Value.Low) + "–" + short3(rate.Value.High), short3(rate.Effort.Median) + " µs",
		}
	}
	table(b, []string{"side", "a second", "spread", "processors"}, rows)
}

func (r *report) pageLimits(b *strings.Builder) {
	b.WriteString("## What each side does\n\nThe sides by hand are what somebody competent writes without a framework, on the same driver:\n" +
		"github.com/ncruces/go-sqlite3 by its low-level API, with the same pragmas and page size, in files of their own; and\n" +
		"github.com/jackc/pgx/v5, in schemas of their own of the same server; and nats.go, amqp091-go, go-redis and franz-go. Each log checks versions as the product does. Every run ends with a count of what is in the file, or a comparison of what was read.\n\n")
	seen := make(map[string]bool)
	for _, rate := range r.Rates {
		if line := fmt.Sprintf("- %s: %s.\n", rate.Side, rate.What); !seen[line] {
			seen[line] = true
			b.WriteString(line)
		}
	}
	b.WriteString("\n")
}

func (r *report) pageCautions(b *strings.Builder) {
	b.WriteString(`## Cautions

- A flush is most of a lone append. A virtual disk may answer a flush from a cache of its host; on a slower disk the ratios of
  single appends come nearer to 1, and grouping gains more.
- Where 64 callers append, callers and committer share the processors. More cores move these ratios, either way.
- eventhorizon and goes are measured with their stores in memory, since they have none in a file. Theirs forget everything when
  the process ends; no demand is judged by them.
- Carillon keeps the states of hot streams and so loads none of them here. The rows that load every time are beside.
- Long logs are built without flushes before the clock starts, and are in the page cache when it does.
- The processors' time of what runs on PostgreSQL is that of the client alone, and the server shares the machine with it.
- Between publisher and handler 256 messages are outstanding, on every side: so many are published and not handled. The same process
  publishes and handles; the server has the same two processors.
- By hand a message carries an id and its type. The product's carry a CloudEvent's attributes, which is more for a server to move.
- What the product acknowledges, or a table by hand, is noted within milliseconds, not at once: after a crash it comes again.
- hallgren's store makes one event durable at a time, which is what its interface allows.
`)
}

// table writes a table. A bar in a cell is escaped.
func table(b *strings.Builder, head []string, rows [][]string) {
	write := func(cells []string) {
		for _, cell := range cells {
			b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	write(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, row := range rows {
		write(row)
	}
	b.WriteString("\n")
}
