package carillon

import "context"

// Observer is the port of what watches a service at work, such as for traces and metrics. Engines tell it what they do; without one they
// pay nothing.
//
// All methods are safe for concurrent use.
type Observer interface {
	// Begin notes that an activity begins. What is done within the activity gets the context that it returns.
	Begin(ctx context.Context, activity Activity) (context.Context, Observation)

	// Watch has figures read whenever somebody looks at them, until stop is called. read is called by any goroutine, and leaves out what
	// it cannot read before the context ends.
	Watch(read func(ctx context.Context) []Reading) (stop func(), err error)
}

// Observation is an activity under way. It is used by one goroutine at a time.
type Observation interface {
	// Trace is what comes of the activity carries; the zero Trace when the observer knows none, and it carries what it would without an
	// observer.
	Trace() Trace
	// Answered notes the HTTP status that a request was answered with.
	Answered(status int)
	// End notes that the activity has ended, once, with the error it came to.
	End(err error)
}

// ActivityKind says what an activity is.
type ActivityKind uint8

const (
	// ActivityRequest answers an HTTP request. Its name is the route.
	ActivityRequest ActivityKind = iota
	// ActivityCommand handles a command. Its name is the command's type.
	ActivityCommand
	// ActivityQuery handles a query. Its name is the query's type.
	ActivityQuery
	// ActivityAppend is an append as its caller sees it: the wait for its turn, and its commit.
	ActivityAppend
	// ActivityCommit commits the appends of several callers together.
	ActivityCommit
	// ActivityCreate makes a message that goes to a topic, and waits until the message is handed over where whoever publishes it waits.
	ActivityCreate
	// ActivitySend hands messages to a topic: of a broker, or of the store, from where they go on.
	ActivitySend
	// ActivityReceive takes messages from a broker, without the wait for them.
	ActivityReceive
	// ActivitySettle settles messages.
	ActivitySettle
	// ActivityProcess handles one message, or tries to.
	ActivityProcess
	// ActivityProcessBatch is the transaction that several messages share.
	ActivityProcessBatch
	// ActivityRetry handles a parked message once more.
	ActivityRetry
	// ActivityProject folds a batch of events into a read model. Its name is the projection's.
	ActivityProject
	// ActivityReact handles an event. Its name is the reactor's.
	ActivityReact
)

// MaxLinks is how many links an activity has at most.
const MaxLinks = 128

// Activity is what an engine does, for a message or several.
type Activity struct {
	Kind ActivityKind
	// Name is what the activity is about: one of few, never an id or a key. It is the topic's where the comment of the kind says nothing
	// else.
	Name string
	// Consumer names the consumer, where there is one.
	Consumer string
	// Broker names the product that a topic is in, as [Capabilities] does.
	Broker string
	// Message is the message the activity is about, nil where it is about several or none. An observer does not look at its payload.
	Message *Message
	// Count is how many messages, events or appends it is about.
	Count int
	// Method, Scheme and Path are those of an HTTP request.
	Method, Scheme, Path string
	// Cause is what the activity goes on from. A request, command, query or append goes on from the activity of its context where that has
	// one.
	Cause Trace
	// Links are what else it comes of, [MaxLinks] at most.
	Links []Trace
}

// ReadingKind says what a figure counts.
type ReadingKind uint8

const (
	// ReadingLag is how many events the log is ahead of a projection, reactor or forwarder.
	ReadingLag ReadingKind = iota
	// ReadingOutbox is how many messages of a topic the store holds that the relay has not passed on.
	ReadingOutbox
	// ReadingBacklog is how many messages of a topic a consumer has not settled.
	ReadingBacklog
	// ReadingParkedKeys is how many keys of a consumer, projection or reactor are parked.
	ReadingParkedKeys
	// ReadingDeadLetters is how many messages or events of a consumer, projection or reactor are parked.
	ReadingDeadLetters
	// ReadingBreaker is 1 for the state that a circuit breaker is in, and 0 for the others.
	ReadingBreaker
)

// Reading is a figure at one moment.
type Reading struct {
	Kind ReadingKind
	// Name is whose it is: a projection's, a consumer's, a breaker's, or a topic's.
	Name string
	// Topic is the topic of a consumer, State the state of a breaker.
	Topic, State string
	Value        int64
}
