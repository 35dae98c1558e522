package redisstream

import (
	"cmp"
	"strconv"
	"strings"
)

// names makes keys. A colon stands in no name of a topic or subscription.
type names struct{ prefix string }

func (n names) topic(topic string) string { return n.prefix + ":{" + topic + "}" }

func (n names) stream(topic string, partition int) string {
	return n.topic(topic) + ":" + strconv.Itoa(partition)
}

func (n names) subscription(topic, subscription string) string {
	return n.topic(topic) + ":" + subscription
}

func (n names) members(topic, subscription string) string {
	return n.subscription(topic, subscription) + ":members"
}

func (n names) behind(topic, subscription string, partition int) string {
	return n.subscription(topic, subscription) + ":" + strconv.Itoa(partition)
}

// compareIDs compares the ids of entries: a time in milliseconds and a number.
func compareIDs(a, b string) int {
	aTime, aNumber := splitID(a)
	bTime, bNumber := splitID(b)
	return cmp.Or(cmp.Compare(aTime, bTime), cmp.Compare(aNumber, bNumber))
}

func splitID(id string) (milliseconds, number uint64) {
	first, second, _ := strings.Cut(id, "-")
	milliseconds, _ = strconv.ParseUint(first, 10, 64)
	number, _ = strconv.ParseUint(second, 10, 64)
	return milliseconds, number
}
