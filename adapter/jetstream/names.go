package jetstream

import (
	"fmt"
	"strings"
)

// token makes one token of a name, which has lower-case letters, digits and ". _ -" only: each name has its own.
func token(name string) string { return strings.ReplaceAll(name, ".", "=") }

func streamName(prefix, topic string) string { return prefix + "_" + token(topic) }

// subjects matches all partitions of a topic and no other topic.
func subjects(prefix, topic string) string { return prefix + "." + token(topic) + ".*" }

// The keys of the bucket: a subscription, a member of it, and who owns which partition.

func subscriptionKey(topic, subscription string) string {
	return "subscription." + token(topic) + "." + token(subscription)
}

func memberKey(topic, subscription, member string) string {
	return fmt.Sprintf("member.%s.%s.%s", token(topic), token(subscription), member)
}

func claimKey(topic, subscription string, partition int) string {
	return fmt.Sprintf("claim.%s.%s.%d", token(topic), token(subscription), partition)
}

// lastToken is a key's member or partition.
func lastToken(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
