// Package kafka makes a Kafka cluster a broker.
//
// Delivery is at least once. A confirmed message was written by all replicas of its partition that are in sync, which are at least two
// where there are three: it survives any one machine. Kafka confirms from the page cache, so losing the power of all replicas at once
// loses what they had not written out. With fewer than three replicas a confirmed message survives the broker's process, not its machine.
// Topics of three replicas or more that may shrink to one, and topics whose leader may be a replica that was not in sync, are refused
// with [carillon.ErrUnsafe], unless [AllowLossWithLeader] says that the loss is wanted.
//
// Order is kept within a partition, and so within a key, by an idempotent producer. A subscription is a consumer group: Kafka gives each
// partition to one consumer. How far everything is settled is committed for each partition, a moment after Ack returns and when a
// subscription is closed: after a crash what was settled behind it comes again.
//
// What it makes in the cluster, all of it under the prefix of [Prefix]:
//
//	topic NAME                     a topic; where Kafka takes its name for that of another topic, its dots are D and its underscores U
//	group NAME:SUBSCRIPTION        a subscription's consumer group, with the offsets it begins at
//	topic Carillon-subscriptions   where each subscription began, kept for good, because Kafka forgets the offsets of groups that nobody
//	                               consumes with, after seven days by default
//
// Records are CloudEvents in binary mode, see [github.com/carillon-go/carillon/cloudevents]: attributes in headers ce_NAME, the content type
// in content-type, the key as key. Records in structured mode are read too. A record that is no CloudEvent is delivered as a
// document of the type [TypeUnreadable], so that it blocks nothing and is not lost.
//
// It needs brokers of version 2.4 or later with the classic protocol of groups, and is tested with 4.3.1.
package kafka
