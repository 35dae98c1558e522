package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

// The sides of the contest on imports.
const (
	handImport    = "import: by hand"
	productImport = "import: Carillon"
)

// The facts a run of an import comes with. A megabyte has 1,000,000 bytes.
const (
	factResident = "resident megabytes"
	factFile     = "file over payload"
)

// generatedInvoices are in the file that is imported when the retail file is not there, and in a quick run.
const generatedInvoices = 2000

// imports holds the import of a retail file by the example shop, its six read models included, against reading the same file
// and writing the same events in batches, without read models. Each run is a process of its own, so that its memory can be told.
func imports(ctx context.Context, w *workspace) (*contest, error) {
	file, name, err := retailFile(w)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var events, net int64 // of the run before: all runs must come to the same
	run := func(task string) func(context.Context, time.Duration) (result, error) {
		return func(ctx context.Context, _ time.Duration) (result, error) {
			done, err := runTask(ctx, program, task, file, w.path("shop.db"))
			if err != nil {
				return result{}, err
			}
			if events != 0 && (events != done.Events || net != done.Net) {
				return result{}, fmt.Errorf("%d events come to %d, before it was %d and %d", done.Events, done.Net, events, net)
			}
			events, net = done.Events, done.Net
			return done.result(), nil
		}
	}
	return &contest{
		sides: []side{
			{
				name: handImport, unit: "invoices", run: run(taskImportByHand),
				what: "the same reader, encoding/json, a thousand events a transaction with prepared statements, no read models",
			},
			{
				name: productImport, unit: "invoices", run: run(taskImport),
				what: "the importer of examples/shop: a command for each invoice, exactly once by its number, until all read models have caught up",
			},
		},
		claims: []claim{
			{
				work: "import of " + name + ", read models included", against: "parse + write the same events in batches, nothing else",
				floor: 0.50, value: ratio(productImport, handImport),
			},
			{work: "… resident memory at most", against: "1,000,000 bytes", ceiling: 200, unit: " MB", value: fact(productImport, factResident)},
			{
				work: "… file with log, command ids and read models", against: "payload bytes",
				ceiling: 2.2, value: fact(productImport, factFile),
			},
			{work: "… file by hand, the log alone", against: "payload bytes", value: fact(handImport, factFile)},
		},
	}, nil
}

// retailFile is the file to import, and what to call it.
func retailFile(w *workspace) (path, name string, err error) {
	if !w.quick {
		path, err = filepath.Abs(w.retail)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err == nil {
			return path, "the retail file", nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		return "", "", fmt.Errorf("%w: there is no retail file at %s, name one with -retail", errSkip, w.retail)
	}
	path = w.path("retail.csv")
	file, err := os.Create(path)
	if err != nil {
		return "", "", err
	}
	_, err = retail.Generate(file, generatedInvoices, 1)
	return path, fmt.Sprintf("%s generated invoices", grouped(generatedInvoices)), errors.Join(err, file.Close())
}

// taskOutcome is what a process that imported says of it, as JSON.
type taskOutcome struct {
	Events       int64         `json:"events"`
	PayloadBytes int64         `json:"payload_bytes"`
	FileBytes    int64         `json:"file_bytes"`
	Net          int64         `json:"net"` // thousandths of a pound
	Took         time.Duration `json:"took"`
	Busy         time.Duration `json:"busy"`
	Resident     int64         `json:"resident"` // the most memory the process held, in bytes
}

func (o taskOutcome) result() result {
	return result{done: o.Events, took: o.Took, busy: o.Busy, facts: map[string]float64{
		factResident: float64(o.Resident) / 1e6, factFile: float64(o.FileBytes) / float64(o.PayloadBytes),
	}}
}

func runTask(ctx context.Context, program, task, file, store string) (taskOutcome, error) {
	var out, failure bytes.Buffer
	command := exec.CommandContext(ctx, program, taskArgument, task, file, store)
	command.Stdout, command.Stderr = &out, &failure
	if err := command.Run(); err != nil {
		return taskOutcome{}, fmt.Errorf("%s: %w: %s", task, err, failure.String())
	}
	var done taskOutcome
	err := json.Unmarshal(out.Bytes(), &done)
	return done, err
}
