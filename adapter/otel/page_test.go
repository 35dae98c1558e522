package otel_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// page documents the spans and the metrics.
const page = "../../docs/howto/observability.md"

// row is what a table of the page says of one span or metric, and what a service told: the further cells, and the attributes in order.
type row struct{ Cells, Attributes []string }

var quoted = regexp.MustCompile("`([^`]+)`")

// documented reads the table below a heading. Its first cell names, its last lists attributes.
func documented(t *testing.T, heading string) map[string]row {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(content), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := make(map[string]row)
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 4 || !strings.Contains(cells[0], "`") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		last := len(cells) - 1
		var attributes []string
		for _, match := range quoted.FindAllStringSubmatch(cells[last], -1) {
			attributes = append(attributes, match[1])
		}
		slices.Sort(attributes)
		name := strings.Trim(cells[0], "`")
		if _, twice := rows[name]; twice {
			t.Errorf("%s has %s twice", page, name)
		}
		rows[name] = row{cells[1:3], attributes}
	}
	return rows
}

// pattern is the name of a span as the page has it.
func pattern(name string) string {
	verb, _, _ := strings.Cut(name, " ")
	switch verb {
	case "publish", "send", "process", "retry":
		return verb + " {topic}"
	case "project":
		return "project {projection}"
	case "react":
		return "react {reactor}"
	case "append":
		return "append"
	case "POST", "GET":
		return "{method} {route}"
	default:
		return "{type}"
	}
}

// attributes collects the names of attributes, without that of a failure, which everything may have.
type attributes map[string]bool

func (a attributes) add(all []attribute.KeyValue) {
	for _, one := range all {
		if one.Key != "error.type" {
			a[string(one.Key)] = true
		}
	}
}

func (a attributes) sorted() []string { return slices.Sorted(maps.Keys(a)) }

// TestThePageNamesEverySpan compares the page with the spans of a service that does everything.
func TestThePageNamesEverySpan(t *testing.T) {
	t.Parallel()
	kinds, found := make(map[string]string), make(map[string]attributes)
	for _, span := range scenario(t, 3).spans.GetSpans() {
		name := pattern(span.Name)
		kinds[name] = span.SpanKind.String()
		if found[name] == nil {
			found[name] = make(attributes)
		}
		found[name].add(span.Attributes)
	}
	got, want := make(map[string]row), documented(t, "Spans")
	for name, all := range found {
		got[name] = row{[]string{kinds[name]}, all.sorted()}
	}
	for name, r := range want {
		want[name] = row{r.Cells[:1], r.Attributes}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-%s +told):\n%s", page, diff)
	}
}

// TestThePageNamesEveryMetric compares the page with the metrics of a service that does everything.
func TestThePageNamesEveryMetric(t *testing.T) {
	t.Parallel()
	got := make(map[string]row)
	for _, scope := range scenario(t, 3).metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			kind, series := seriesOf(t, m)
			all := make(attributes)
			for _, one := range series {
				all.add(one.ToSlice())
			}
			got[m.Name] = row{[]string{kind, m.Unit}, all.sorted()}
		}
	}
	want := documented(t, "Metrics")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-%s +told):\n%s", page, diff)
	}
}

// seriesOf is the kind of a metric, with the attributes of each of its series.
func seriesOf(t *testing.T, m metricdata.Metrics) (kind string, all []attribute.Set) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Histogram[float64]:
		kind = "histogram"
		for _, point := range data.DataPoints {
			all = append(all, point.Attributes)
		}
	case metricdata.Histogram[int64]:
		kind = "histogram"
		for _, point := range data.DataPoints {
			all = append(all, point.Attributes)
		}
	case metricdata.Sum[int64]:
		kind = "counter"
		for _, point := range data.DataPoints {
			all = append(all, point.Attributes)
		}
	case metricdata.Gauge[int64]:
		kind = "gauge"
		for _, point := range data.DataPoints {
			all = append(all, point.Attributes)
		}
	default:
		t.Fatalf("metric %s is a %T", m.Name, data)
	}
	return kind, all
}
