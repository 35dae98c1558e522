package shop

import (
	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// Filed is all that later decisions need to know of a document that happens once: that it did.
type Filed bool

// WhenIssued notes a credit note.
func (Filed) WhenIssued(CreditNoteIssued) Filed { return true }

// WhenPosted notes an adjustment.
func (Filed) WhenPosted(AdjustmentPosted) Filed { return true }

// WhenWrittenOff notes a write-off.
func (Filed) WhenWrittenOff(StockWrittenOff) Filed { return true }

// DecideIssue decides whether a credit note may be issued.
func (f Filed) DecideIssue(m sourcing.Moment, c IssueCreditNote) ([]carillon.Event, error) {
	posted, err := f.file(m, c.Document)
	return carillon.Events(CreditNoteIssued{posted}), err
}

// DecidePost decides whether an adjustment may be posted.
func (f Filed) DecidePost(m sourcing.Moment, c PostAdjustment) ([]carillon.Event, error) {
	posted, err := f.file(m, c.Document)
	return carillon.Events(AdjustmentPosted{posted}), err
}

// DecideWriteOff decides whether stock may be written off.
func (f Filed) DecideWriteOff(m sourcing.Moment, c WriteOffStock) ([]carillon.Event, error) {
	posted, err := f.file(m, c.Document)
	return carillon.Events(StockWrittenOff{posted}), err
}

func (f Filed) file(m sourcing.Moment, d Document) (Posted, error) {
	if f {
		return Posted{}, carillon.Rejectf("document %s was filed already", d.ID)
	}
	return post(m, d)
}

func creditNotes() *sourcing.Decider[Filed] {
	return sourcing.Aggregate("creditnote",
		sourcing.On("creditnote.issued", Filed.WhenIssued),
		sourcing.DecideAt("creditnote.issue", IssueCreditNote.Key, Filed.DecideIssue))
}

func adjustments() *sourcing.Decider[Filed] {
	return sourcing.Aggregate("adjustment",
		sourcing.On("adjustment.posted", Filed.WhenPosted),
		sourcing.DecideAt("adjustment.post", PostAdjustment.Key, Filed.DecidePost))
}

func writeOffs() *sourcing.Decider[Filed] {
	return sourcing.Aggregate("writeoff",
		sourcing.On("stock.written-off", Filed.WhenWrittenOff),
		sourcing.DecideAt("stock.write-off", WriteOffStock.Key, Filed.DecideWriteOff))
}
