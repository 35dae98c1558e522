package sourcing

import "sync/atomic"

// firsts guesses whether a command of one type is the first of its key, as orders are placed once. Such a command is decided on
// the state before the first event without looking into the log, and the append's guard finds out whether that was right.
type firsts struct{ score atomic.Int32 }

const (
	surest   = 8  // right guesses count up to here
	unlikely = -8 // wrong ones down to here
	penalty  = 4  // a wrong guess costs more than a right one spares
)

func (f *firsts) likely() bool { return f.score.Load() >= 0 }

func (f *firsts) learn(first bool) {
	score := f.score.Load()
	if first {
		score = min(score+1, surest)
	} else {
		score = max(score-penalty, unlikely)
	}
	f.score.Store(score) // a race loses one lesson
}
