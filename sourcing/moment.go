package sourcing

import (
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// Moment is what a decision may know of the world: when its command was made, and ids to give away. The same command has the
// same moment however often it is decided.
type Moment struct {
	// Now is the command's time.
	Now time.Time
	// CommandID is the command's id.
	CommandID string
}

// ID returns the nth id of this moment, a UUID that follows from the command's id. It is unique and no secret: whoever knows the command's
// id can work it out, so it is no token that lets its bearer do something.
func (m Moment) ID(n int) string { return ids.Derive(m.CommandID, n) }

func momentOf(message *carillon.Message) Moment {
	return Moment{Now: message.Time, CommandID: message.ID}
}
