// Package topics runs the topics that live in the tables of a database: it groups what is published, shares the partitions of a
// subscription out among its consumers, hands their messages out in order, and notes how far each partition is settled. What the tables
// are and where their time comes from is the adapter's.
package topics

import (
	"context"
	"time"

	"github.com/carillon-go/carillon"
)

// Tables are what an adapter does for topics. All methods are safe for concurrent use.
type Tables struct {
	Registry
	Messages
	Shares
}

// Registry knows what was declared.
type Registry interface {
	// Declare adds a topic, which is checked and complete, or what a topic that is there lacks; [carillon.ErrConflict] when its
	// partitions are others.
	Declare(ctx context.Context, topic carillon.Topic) error
	// Topic returns a topic, or [carillon.ErrNotFound].
	Topic(ctx context.Context, name string) (Topic, error)
	// Subscription returns the number of a subscription, or [carillon.ErrNotFound].
	Subscription(ctx context.Context, topic Topic, name string) (int64, error)
	// Rewind has a subscription begin with the first message that is there and not too old, durably. Who has a share in it loses it.
	Rewind(ctx context.Context, topic Topic, subscription int64) error
	// Backlog returns what stands behind the checkpoints of a subscription.
	Backlog(ctx context.Context, topic Topic, subscription int64) (Backlog, error)
}

// Messages are the rows of all topics.
type Messages interface {
	// Write writes publications in one transaction, which is durable when it returns, and sets what each is to know. An error is that
	// of all of them.
	Write(ctx context.Context, batch []*Publication) error
	// Read returns the messages of some partitions after a position and up to another, in order, at most limit of them; fewer when
	// they grow large, and then more is true. Nil stands for all partitions.
	Read(ctx context.Context, topic Topic, after, through int64, partitions []int, limit int) (entries []Entry, more bool, err error)
	// Look returns where topics stand.
	Look(ctx context.Context, topics []Topic) ([]Sight, error)
	// Prune deletes some of what nobody needs any more, and reports whether there may be more.
	Prune(ctx context.Context, topic Topic) (more bool, err error)
}

// Shares say which consumer of a subscription has which partition.
type Shares interface {
	// Beat says that a consumer lives, for as long as its leases run, and renews what it has. It returns how the subscription stands.
	Beat(ctx context.Context, member Member) (Standing, error)
	// Claim takes partitions that are free, or the consumer's own, and returns those it took, each with a new epoch.
	Claim(ctx context.Context, member Member, partitions []int) ([]Share, error)
	// Save notes checkpoints, and returns the partitions that are not the consumer's any more: theirs are not noted.
	Save(ctx context.Context, member Member, checkpoints []Checkpoint) (lost []int, err error)
	// Release notes checkpoints and gives the partitions up. Those that are lost are passed over.
	Release(ctx context.Context, member Member, checkpoints []Checkpoint) error
	// Leave says that a consumer is no more.
	Leave(ctx context.Context, member Member) error
}

// Topic is a topic as the tables know it.
type Topic struct {
	ID         int64
	Name       string
	Partitions int
	// Limited says that there was a limit when the topic was looked up.
	Limited bool
}

// Publication is what one call publishes to a topic.
type Publication struct {
	Topic    Topic
	Messages []carillon.Message
	// Partitions are where the messages belong.
	Partitions []int
	// First is the position of the first message once it is written, Err why nothing was.
	First int64
	Err   error

	size int // of the payloads, in bytes
}

// last is the position of the last message.
func (p *Publication) last() int64 { return p.First + int64(len(p.Messages)) - 1 }

// Entry is a message in its place.
type Entry struct {
	Position  int64
	Partition int
	Message   carillon.Message
}

// Sight is where a topic stands: its last position, and a count of the changes to who shares in its subscriptions.
type Sight struct {
	Topic   int64
	Last    int64
	Changes int64
}

// Member is a consumer of a subscription. Its leases run for so long after each beat.
type Member struct {
	Topic        Topic
	Subscription int64
	Consumer     string
	Lease        time.Duration
}

// Standing is how a subscription is shared.
type Standing struct {
	// Consumers are those that live, in order of name.
	Consumers []string
	// Shares has an element for each partition.
	Shares []Share
}

// Share is a partition's owner. Free says that there is none, or that its lease has run out.
type Share struct {
	Partition int
	Consumer  string
	Epoch     int64
	Position  int64
	Free      bool
}

// Checkpoint is how far a consumer has come in a partition, how many messages it holds there, and how many it has settled beyond.
type Checkpoint struct {
	Partition   int
	Epoch       int64
	Position    int64
	Held, Ahead int64
}

// Backlog is what stands behind the checkpoints of a subscription: how many messages in all, those consumers hold and those they
// settled among them, and how old the first is.
type Backlog struct {
	Messages, Held, Ahead int64
	Oldest                time.Duration
}
