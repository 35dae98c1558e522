package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

func TestCapabilityTable(t *testing.T) {
	t.Parallel()
	got := CapabilityTable(
		carillon.Capabilities{
			Broker: "one", Confirm: carillon.ConfirmedFlushed, Ack: carillon.AckWatermark, Order: carillon.OrderShared, OrderedPublish: true,
			Deadline: true, Counted: true, Revocation: true, Probe: true, Bounded: true, Retained: true, Transactional: true,
			Unsettled: 1, Deduplication: 2 * time.Minute, MaxPayload: 1 << 20,
		},
		carillon.Capabilities{Broker: "a|b", MaxPayload: 64_000, Deduplication: 90 * time.Second, Losses: []string{"acks=1: a broker", "no sync"}},
		carillon.Capabilities{Broker: "c", Deduplication: 24 * time.Hour, MaxPayload: 512 << 10},
	)
	const want = `| broker | confirmed | ack | order | ordered publish | deadline | counted | revocation | probe | bounded | retained | transactional | unsettled | deduplication | max payload | losses |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
| one | flushed | watermark | shared | yes | yes | yes | yes | yes | yes | yes | yes | 1 | 2 min | 1 MiB | none |
| a\|b | in memory | each | none | no | no | no | no | no | no | no | no | any | 1m30s | 64000 bytes | acks=1: a broker; no sync |
| c | in memory | each | none | no | no | no | no | no | no | no | no | any | 24 h | 512 KiB | none |
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestDocumentBroker(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	can := carillon.Capabilities{
		Broker: "Some Broker 2", Confirm: carillon.ConfirmedReplicated, Ack: carillon.AckWatermark, Order: carillon.OrderAlone, Counted: true,
		Deduplication: 2 * time.Minute, MaxPayload: 1000, Losses: []string{"acks=1"},
	}
	if err := documentBroker(directory, can, false); err == nil || !strings.Contains(err.Error(), docsVariable) {
		t.Errorf("a broker without a file gives error %v, want one that says how to write it", err)
	}
	if err := documentBroker(directory, can, true); err != nil {
		t.Fatal(err)
	}
	if err := documentBroker(directory, can, false); err != nil {
		t.Error(err)
	}
	documented, err := documentedBrokers(directory)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]carillon.Capabilities{can}, documented); diff != "" {
		t.Errorf("what is documented (-want +got):\n%s", diff)
	}
	can.Counted = false
	if err := documentBroker(directory, can, false); err == nil || !strings.Contains(err.Error(), "some-broker-2.json") {
		t.Errorf("a broker that can something else gives error %v, want one that names the file", err)
	}
}

// The marks in docs/reference/brokers.md that the table stands between.
const (
	tableBegins = "<!-- begin of the table, written by CARILLON_DOCS=update go test ./conformance -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// TestBrokersPage compares the page's table with what the brokers' files say, or writes it.
func TestBrokersPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "reference", "brokers.md")
	brokers, err := documentedBrokers(filepath.Join("..", "docs", "reference", "brokers"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), tableBegins)
	table, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s lacks the marks of its table", path)
	}
	want := "\n" + CapabilityTable(brokers...) + "\n"
	if os.Getenv(docsVariable) == "update" {
		if err := os.WriteFile(path, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("%s is not what the brokers say, write it with %s=update (-want +got):\n%s", path, docsVariable, diff)
	}
}

// documentedBrokers reads the files of a directory, in the order of their names.
func documentedBrokers(directory string) ([]carillon.Capabilities, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.json"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no brokers in %s: %w", directory, orNone(err))
	}
	var brokers []carillon.Capabilities
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		can, err := capabilitiesOf(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		brokers = append(brokers, can)
	}
	return brokers, nil
}

// capabilitiesOf reads a broker's file.
func capabilitiesOf(text []byte) (carillon.Capabilities, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return d.Capabilities, err
	}
	var err error
	can := d.Capabilities
	if can.Deduplication, err = time.ParseDuration(d.Deduplication); err != nil {
		return can, err
	}
	for can.Confirm.String() != d.Confirm {
		if can.Confirm++; can.Confirm > carillon.ConfirmedFlushed {
			return can, fmt.Errorf("nothing is confirmed %q", d.Confirm)
		}
	}
	for can.Ack.String() != d.Ack {
		if can.Ack++; can.Ack > carillon.AckWatermark {
			return can, fmt.Errorf("nothing is settled by %q", d.Ack)
		}
	}
	for can.Order.String() != d.Order {
		if can.Order++; can.Order > carillon.OrderShared {
			return can, fmt.Errorf("there is no order %q", d.Order)
		}
	}
	return can, nil
}
