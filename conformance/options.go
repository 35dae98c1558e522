package conformance

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/carillon-go/carillon"
)

// Sizes says how hard the checks try. A field left zero has its default.
type Sizes struct {
	// Racers is how many goroutines race in one round. Default: 16.
	Racers int
	// Rounds is how many rounds a race has, in each of its ways to start. Default: 20.
	Rounds int
	// Writers is how many goroutines append while readers tail the log. Default: 64.
	Writers int
	// TailedEvents is how many events they append together, at least. Default: 4,000.
	TailedEvents int
	// Histories is how many random histories are compared with the reference. Default: 4.
	Histories int
	// HistorySteps is how many steps a history has. Default: 100.
	HistorySteps int
	// ConcurrentHistories is how many histories of concurrent calls are checked to be linearizable. Default: 20.
	ConcurrentHistories int
	// ConcurrentCalls is how many calls such a history has. Default: 500.
	ConcurrentCalls int
}

// DefaultSizes are small enough for every run of an adapter's tests.
func DefaultSizes() Sizes {
	return Sizes{
		Racers: 16, Rounds: 20, Writers: 64, TailedEvents: 4_000, Histories: 4, HistorySteps: 100,
		ConcurrentHistories: 20, ConcurrentCalls: 500,
	}
}

// FullSizes are those an adapter is released with.
func FullSizes() Sizes {
	return Sizes{
		Racers: 64, Rounds: 200, Writers: 64, TailedEvents: 1_000_000, Histories: 64, HistorySteps: 500,
		ConcurrentHistories: 200, ConcurrentCalls: 5_000,
	}
}

// LogOption changes a default of [Log].
type LogOption func(*settings)

// WithSizes sets how hard the checks try. Default: [DefaultSizes].
func WithSizes(sizes Sizes) LogOption { return func(s *settings) { s.sizes = sizes } }

// WithSeed makes the random checks repeat a run. Default: another seed every time.
func WithSeed(seed uint64) LogOption { return func(s *settings) { s.seed = seed } }

// WithMaxPayload says that the adapter takes payloads of at most so many bytes. Default: [carillon.MaxPayload].
func WithMaxPayload(bytes int) LogOption { return func(s *settings) { s.maxPayload = bytes } }

// WithSlowCommits says how to open a store whose log calls stall in every append, after the guards have been evaluated and the
// events written, and before the commit. stall may block for some tenths of a second. Default: the check of slow commits is
// skipped.
func WithSlowCommits(open func(t testing.TB, stall func()) carillon.Opener) LogOption {
	return func(s *settings) { s.openSlow = open }
}

// WithoutReopen says that nothing is left of a store that was closed. Default: what was appended is there after the next open
// of the same opener.
func WithoutReopen() LogOption { return func(s *settings) { s.volatile = true } }

// The environment variables the kit reads. They win over options.
const (
	sizesVariable = "CARILLON_CONFORMANCE"
	seedVariable  = "CARILLON_CONFORMANCE_SEED"
)

type settings struct {
	sizes      Sizes
	seed       uint64
	maxPayload int
	volatile   bool
	openSlow   func(t testing.TB, stall func()) carillon.Opener
}

func newSettings(environment func(string) string, options ...LogOption) (settings, error) {
	s := settings{seed: rand.Uint64(), maxPayload: carillon.MaxPayload}
	for _, option := range options {
		option(&s)
	}
	switch value := environment(sizesVariable); value {
	case "":
	case "full":
		s.sizes = FullSizes()
	default:
		return s, fmt.Errorf("%s is %q; the only value is full", sizesVariable, value)
	}
	if value := environment(seedVariable); value != "" {
		seed, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return s, fmt.Errorf("%s: %w", seedVariable, err)
		}
		s.seed = seed
	}
	s.sizes = s.sizes.orDefault()
	return s, nil
}

func (s Sizes) orDefault() Sizes {
	d := DefaultSizes()
	or := func(value, otherwise int) int {
		if value <= 0 {
			return otherwise
		}
		return value
	}
	return Sizes{
		Racers:       max(2, or(s.Racers, d.Racers)),
		Rounds:       or(s.Rounds, d.Rounds),
		Writers:      or(s.Writers, d.Writers),
		TailedEvents: or(s.TailedEvents, d.TailedEvents),
		Histories:    or(s.Histories, d.Histories),
		HistorySteps: or(s.HistorySteps, d.HistorySteps),

		ConcurrentHistories: or(s.ConcurrentHistories, d.ConcurrentHistories),
		ConcurrentCalls:     or(s.ConcurrentCalls, d.ConcurrentCalls),
	}
}
