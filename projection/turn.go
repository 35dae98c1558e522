package projection

// turn is a lock that is held while the store is called. Unlike a mutex it lets fake time pass for those who wait, and they get it in the
// order in which they came.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) Lock() { t <- struct{}{} }

func (t turn) Unlock() { <-t }
