package rabbitmq

import "strconv"

// names makes the names of things on the server. A colon stands in no name of a topic or subscription.
type names struct{ prefix string }

func (n names) topic(topic string) string   { return n.prefix + ":" + topic }
func (n names) bounded(topic string) string { return n.prefix + ":" + topic + "::bounded" }
func (n names) member(id string) string     { return n.prefix + "::" + id }

func (n names) subscription(topic, subscription string) string {
	return n.prefix + ":" + topic + ":" + subscription
}

func (n names) queue(topic, subscription string, partition int) string {
	return n.subscription(topic, subscription) + ":" + strconv.Itoa(partition)
}
