package consume

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/carillon-go/carillon"
)

// Option changes a consumer from its defaults.
type Option func(*options)

type options struct {
	Settings
	workers int
	after   carillon.Position
	parked  []string
	drain   time.Duration
	logger  *slog.Logger
}

// After starts behind a position, the checkpoint; 0 by default, before the first event.
func After(position carillon.Position) Option { return func(o *options) { o.after = position } }

// Parked names the keys that are parked in the store; none by default.
func Parked(keys ...string) Option {
	return func(o *options) { o.parked = append(o.parked, keys...) }
}

// Workers is how many handlers run at a time; 16 by default.
func Workers(n int) Option { return func(o *options) { o.workers = n } }

// ReadAhead is how many deliveries are held that are neither done nor parked; 1024 by default, or 4 for each worker when that is
// more.
func ReadAhead(deliveries int) Option { return func(o *options) { o.ReadAhead = deliveries } }

// Span is how many deliveries may stand beyond the checkpoint; 64 times the read-ahead by default. See [Settings].
func Span(deliveries int) Option { return func(o *options) { o.Span = deliveries } }

// WithRetry says how often and after what pauses a failing delivery is tried: 5 times by default, after pauses of up to 100 ms,
// doubled each time up to 30 s.
func WithRetry(retry Retry) Option { return func(o *options) { o.Retry = retry } }

// WithRandom sets the source of randomness for pauses; by default it is seeded at random. The consumer alone uses it.
func WithRandom(random *rand.Rand) Option { return func(o *options) { o.Random = random } }

// DrainLimit is how long running handlers have to end once the consumer is told to stop, and then the last commits; 10 s each
// by default.
func DrainLimit(limit time.Duration) Option { return func(o *options) { o.drain = limit } }

// WithLogger sets where failures are logged; nowhere by default. That handlers fail with [carillon.ErrUnavailable] is logged when it begins
// and when it ends, and once a minute between.
func WithLogger(logger *slog.Logger) Option { return func(o *options) { o.logger = logger } }

func makeOptions(given []Option) options {
	o := options{drain: 10 * time.Second, logger: slog.New(slog.DiscardHandler)}
	for _, option := range given {
		option(&o)
	}
	if o.workers <= 0 {
		o.workers = 16
	}
	if o.ReadAhead <= 0 {
		o.ReadAhead = max(1024, 4*o.workers)
	}
	if o.Random == nil {
		o.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	o.Settings = o.withDefaults()
	return o
}
