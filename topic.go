package carillon

import "time"

// Topic is a named sequence of messages with its subscriptions, as a service declares it.
type Topic struct {
	// Name is lower-case letters, digits and ". _ -", beginning with a letter, at most 100 bytes.
	Name string
	// Subscriptions names those that messages are kept for from the declaration on. Their names follow the same rule.
	Subscriptions []string
	// Partitions is how many parts the keys are spread over, 1 to 256: order is kept within a part, and so many consumers can share
	// a subscription. 0 is [DefaultPartitions]. It cannot change later.
	Partitions int
	// Retention is how long a message stays for subscriptions that have not had it; where the broker can only keep it for longer,
	// it does. 0 is [DefaultRetention].
	Retention time.Duration
	// Limit is how many messages may wait; further ones are refused with [ErrTopicFull]. 0 is without limit. It needs the
	// capability Bounded.
	Limit int64
}

// The defaults of a [Topic].
const (
	DefaultPartitions = 8
	DefaultRetention  = 7 * 24 * time.Hour
)

// maxPartitions bounds a topic's partitions, maxTopicName its name in bytes.
const (
	maxPartitions = 256
	maxTopicName  = 100
)

// Check checks a topic's names and figures.
func (t Topic) Check() error {
	if err := checkTopicName("topic", t.Name); err != nil {
		return err
	}
	for i, name := range t.Subscriptions {
		if err := checkTopicName("subscription", name); err != nil {
			return err
		}
		for _, other := range t.Subscriptions[:i] {
			if name == other {
				return Invalidf(quoted("subscription", name), "a topic names a subscription once")
			}
		}
	}
	switch {
	case t.Partitions < 0 || t.Partitions > maxPartitions:
		return Invalidf(quoted("topic", t.Name), "a topic has 1 to %d partitions, not %d", maxPartitions, t.Partitions)
	case t.Retention < 0:
		return Invalidf(quoted("topic", t.Name), "retention is a time to keep, not %v", t.Retention)
	case t.Limit < 0:
		return Invalidf(quoted("topic", t.Name), "a limit is a number of messages, not %d", t.Limit)
	}
	return nil
}

// WithDefaults returns the topic with its zero figures filled in.
func (t Topic) WithDefaults() Topic {
	if t.Partitions == 0 {
		t.Partitions = DefaultPartitions
	}
	if t.Retention == 0 {
		t.Retention = DefaultRetention
	}
	return t
}

func checkTopicName(what, name string) error {
	if name == "" || len(name) > maxTopicName {
		return Invalidf(quoted(what, name), "its name has 1 to %d bytes", maxTopicName)
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z'
		other := '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
		if !letter && (i == 0 || !other) {
			return Invalidf(quoted(what, name), "its name is a lower-case letter, then lower-case letters, digits and . _ -")
		}
	}
	return nil
}

// Partition returns the part of a topic, below partitions, that a key belongs to: the key's FNV-1a hash of 32 bits modulo the number
// of partitions. A message without a key may go to any. Brokers that partition by themselves may do it otherwise.
func Partition(key string, partitions int) int {
	const offset, prime = 2166136261, 16777619
	hash := uint32(offset)
	for i := range len(key) {
		hash = (hash ^ uint32(key[i])) * prime
	}
	return int(hash % uint32(partitions))
}
