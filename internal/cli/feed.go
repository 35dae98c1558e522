package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop/importer"
	"github.com/carillon-go/carillon/examples/shop/retail"
	"github.com/carillon-go/carillon/projection"
)

// sampleSeed makes every sample the same, so that a second one is met again.
const sampleSeed = 1

// feed is the invoices that a demo is fed with; there may be none.
type feed struct {
	name    string // for people
	path    string // empty for a sample
	reader  *retail.Reader
	total   int // invoices of a sample
	source  io.Closer
	rejects *importer.Rejects
	// rejected is the file the rejects go to, for people.
	rejected string
	started  atomic.Bool
}

// outcome is what an import did, and how long it took until every read model had caught up.
type outcome struct {
	importer.Outcome
	took time.Duration
}

// open opens the retail file, or starts the generator.
func (d *demo) open() (*feed, error) {
	f := &feed{}
	onReject := retail.OnReject(func(reject retail.Reject) { f.rejects.Row(reject) })
	switch {
	case d.file != "":
		reader, err := retail.Open(d.file, onReject)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, advise(err, "check --import")
		case errors.Is(err, retail.ErrHeader):
			return nil, advise(fmt.Errorf("import of %s: %w", d.file, err), "its first line names the columns of a retail file")
		case err != nil:
			return nil, advise(fmt.Errorf("import of %s: %w", d.file, err), "nothing was imported")
		}
		f.name, f.path, f.reader, f.source = filepath.Base(d.file), d.file, reader, reader
	case d.sample > 0:
		read, write := io.Pipe()
		go func() {
			_, err := retail.Generate(write, d.sample, sampleSeed)
			write.CloseWithError(err)
		}()
		f.name, f.reader, f.total, f.source = fmt.Sprintf("%d generated invoices", d.sample), retail.NewReader(read, onReject), d.sample, read
	}
	return f, nil
}

func (f *feed) exists() bool { return f.reader != nil }

// began reports whether invoices were sent.
func (f *feed) began() bool { return f.started.Load() }

func (f *feed) close() error {
	if f.source == nil {
		return nil
	}
	return f.source.Close()
}

// rejectTo names the file for rows that are not accepted, with a note for people.
func (f *feed) rejectTo(path, note string) error {
	if f.path != "" {
		from, err := os.Stat(f.path)
		to, missing := os.Stat(path)
		if err == nil && missing == nil && os.SameFile(from, to) {
			return usagef("--rejects %s: it is the file to import: name another", path)
		}
	}
	f.rejects, f.rejected = importer.RejectsTo(path), path+note
	return nil
}

// through feeds the invoices through the command side and waits until every read model has passed them.
func (f *feed) through(ctx context.Context, running *app.Running, screen *printer) (outcome, error) {
	start := time.Now()
	var done outcome
	if f.exists() {
		f.started.Store(true)
		stop := f.watch(screen, start)
		defer stop()
		var err error
		done.Outcome, err = importer.Import(ctx, running.Bus, f.reader, f.rejects)
		if err = errors.Join(err, f.rejects.Close()); err != nil {
			return done, err
		}
	}
	err := catchUp(ctx, running)
	done.took = time.Since(start)
	return done, err
}

// watch shows how far the import has come.
func (f *feed) watch(screen *printer, start time.Time) (stop func()) {
	total := f.reader.Progress().Size
	if f.total > 0 {
		total = int64(f.total)
	}
	bar := newProgress(screen, total)
	return bar.every(func() { bar.show(f.progress(time.Since(start))) })
}

// progress is how far the import has come, in bytes of the file as it is, or in invoices of a sample.
func (f *feed) progress(took time.Duration) (done int64, text string) {
	at := f.reader.Progress()
	text = fmt.Sprintf("%d invoices, %.0f commands/s", at.Invoices, float64(at.Invoices)/took.Seconds())
	if at.Rejected > 0 {
		text += fmt.Sprintf(", %d rows rejected", at.Rejected)
	}
	if f.total > 0 {
		return at.Invoices, text
	}
	return at.Read, text
}

// patience is how long read models may take before they are asked what holds them up.
const patience = 2 * time.Second

// catchUp waits until every read model has passed the head of the log. One that fails ends the wait.
func catchUp(ctx context.Context, running *app.Running) error {
	head, err := running.Log.Head(ctx)
	if err != nil {
		return err
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, patience)
		err := running.Projections.WaitAll(waiting, head)
		cancel()
		if !errors.Is(err, carillon.ErrTimeout) || ctx.Err() != nil {
			return err
		}
		statuses, err := running.Projections.Status(ctx)
		if err != nil {
			return err
		}
		for _, status := range statuses {
			if status.State == projection.Paused {
				return advise(fmt.Errorf("read model %s is paused", status.Name), "carillon projection resume %s", status.Name)
			}
			if status.Error != "" {
				return fmt.Errorf("read model %s stands still at position %d: %s", status.Name, status.Position, status.Error)
			}
		}
	}
}
