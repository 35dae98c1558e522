package cli

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressInterval is how often a bar moves.
const progressInterval = 100 * time.Millisecond

// progress is a bar where somebody watches, and nothing elsewhere.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress makes a bar; a total below 1 is not known, and shown as a spinner.
func newProgress(to *printer, total int64) *progress {
	if !to.isTerminal() {
		return &progress{}
	}
	return newBar(to.to, total)
}

func newBar(to io.Writer, total int64) *progress {
	if total < 1 {
		total = -1
	} else {
		total++ // a bar that is full is gone, and there is always something left to do
	}
	return &progress{bar: progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(to), progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0))} // it turns when it is drawn, not in the background
}

// show moves the bar and says what it stands for.
func (p *progress) show(done int64, text string) {
	if p.bar != nil {
		_ = p.bar.Set64(done) // a bar that cannot be drawn is no reason to stop
		p.bar.Describe(text)
	}
}

// every updates the bar until stop is called, which removes it.
func (p *progress) every(update func()) (stop func()) {
	if p.bar == nil {
		return func() {}
	}
	done := make(chan struct{})
	var updating sync.WaitGroup
	updating.Go(func() {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				update()
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		updating.Wait()
		_ = p.bar.Finish()
	}
}
