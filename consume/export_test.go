package consume

import "time"

// Keys is how many keys the scheduler remembers.
func (s *Scheduler[T]) Keys() int { return s.keys.n }

// Pause is the pause after so many failures, with all of its length.
func (r Retry) Pause(failures int) time.Duration { return r.withDefaults().pause(failures, nil) }
