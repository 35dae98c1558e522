package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
)

// CapabilityTable describes brokers by a Markdown table with one row for each, in the order given.
func CapabilityTable(capabilities ...carillon.Capabilities) string {
	var table strings.Builder
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = strings.NewReplacer("|", `\|`, "\n", " ").Replace(cell)
		}
		table.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	heads := []string{
		"broker", "confirmed", "ack", "order", "ordered publish", "deadline", "counted", "revocation", "probe", "bounded", "retained",
		"transactional", "unsettled", "deduplication", "max payload", "losses",
	}
	row(heads...)
	table.WriteString("|" + strings.Repeat("---|", len(heads)) + "\n")
	for _, can := range capabilities {
		losses := "none"
		if len(can.Losses) > 0 {
			losses = strings.Join(can.Losses, "; ")
		}
		row(can.Broker, can.Confirm.String(), can.Ack.String(), can.Order.String(), yes(can.OrderedPublish), yes(can.Deadline),
			yes(can.Counted), yes(can.Revocation), yes(can.Probe), yes(can.Bounded), yes(can.Retained), yes(can.Transactional),
			numberInWords(can.Unsettled), timeInWords(can.Deduplication), sizeInWords(can.MaxPayload), losses)
	}
	return table.String()
}

func yes(can bool) string {
	if can {
		return "yes"
	}
	return "no"
}

func numberInWords(most int) string {
	if most == 0 {
		return "any"
	}
	return strconv.Itoa(most)
}

func timeInWords(long time.Duration) string {
	switch {
	case long == 0:
		return "no"
	case long%time.Hour == 0:
		return fmt.Sprintf("%d h", long/time.Hour)
	case long%time.Minute == 0:
		return fmt.Sprintf("%d min", long/time.Minute)
	default:
		return long.String()
	}
}

func sizeInWords(size int) string {
	switch {
	case size > 0 && size%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", size>>20)
	case size > 0 && size%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", size>>10)
	default:
		return fmt.Sprintf("%d bytes", size)
	}
}

// docsVariable is the environment variable that has documentation written instead of compared.
const docsVariable = "CARILLON_DOCS"

// DocumentBroker compares what a broker says of itself with its file in a directory of the documentation, docs/reference/brokers in
// Carillon's own repository. With CARILLON_DOCS=update it writes the file.
func DocumentBroker(t testing.TB, directory string, capabilities carillon.Capabilities) {
	t.Helper()
	if err := documentBroker(directory, capabilities, os.Getenv(docsVariable) == "update"); err != nil {
		t.Error(err)
	}
}

func documentBroker(directory string, can carillon.Capabilities, update bool) error {
	if can.Broker == "" {
		return errors.New("the broker has no name")
	}
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(can.Broker))
	path := filepath.Join(directory, name+".json")
	want, err := json.MarshalIndent(document{
		Capabilities: can, Confirm: can.Confirm.String(), Ack: can.Ack.String(), Order: can.Order.String(), Deduplication: can.Deduplication.String(),
	}, "", "  ")
	if err != nil {
		return err
	}
	want = append(want, '\n')
	if update {
		return os.WriteFile(path, want, 0o644)
	}
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s is not what the broker says of itself", path)
	}
	if err != nil {
		return fmt.Errorf("%w: write it with %s=update, and then %s by the tests of package conformance", err, docsVariable, "docs/reference/brokers.md")
	}
	return nil
}

// document is a broker's file: its capabilities, with words where Go has numbers.
type document struct {
	carillon.Capabilities
	Confirm       string
	Ack           string
	Order         string
	Deduplication string
}
