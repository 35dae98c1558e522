// Package rabbitmq is a broker on RabbitMQ, with quorum queues.
//
// Delivery is at least once. Order per key holds among consumers that share a subscription, come, go and die: a topic has
// partitions, each partition of a subscription is a queue with a single active consumer, and RabbitMQ puts what a consumer leaves
// unsettled back where it stood before anybody else gets more.
//
// A confirmed message is written and flushed by a majority of each queue's members. What voids that: queues under our names that
// are no quorum queues (refused by Declare); policies that expire or drop messages of these queues, which a client cannot see: set
// none; and a server that is killed in the second after a new queue was declared, which may come back without the queue, because it
// confirms a declaration before it has written it down. A message is kept until it is settled, for longer than a topic's retention if
// need be.
//
// An acknowledgement is sent within 2 ms and not confirmed: when the connection ends in that time, the delivery comes again.
// A delivery that is not settled within the server's consumer_timeout, 30 minutes by default, is lost to its consumer, as its
// Lost channel tells, and comes again.
//
// Keys are spread by [carillon.Partition], messages without a key in turn. Partitions are spread evenly over the consumers of a
// subscription: consumers announce themselves to one another, each works out the same assignment, and consumes from its own
// partitions only. That two disagree for a moment costs time and no order, because a queue serves one consumer at a time. A
// consumer that has to give a partition up stops handing out its messages and waits for those it holds to be settled, at most for
// its AckDeadline; then they are lost to it.
//
// The server sends ahead: a consumer holds up to MaxUnsettled messages of each of its partitions in memory, and hands out no more than
// MaxUnsettled of all together. A message that was sent and not handed out counts as delivered when it comes again.
//
// A limit is kept in each partition: Topic.Limit divided by the number of partitions, rounded up. RabbitMQ counts the messages that
// no consumer holds. Into a topic with a limit one message is published after the other in each partition, so that those that were
// refused are the last.
//
// On the server it makes these, with the prefix "carillon" unless [Prefix] says otherwise:
//
//	queue     carillon:<topic>                              quorum, holds one message for each partition, and so tells how many there are
//	exchange  carillon:<topic>                              direct, routes to the partition
//	exchange  carillon:<topic>::bounded                     there when the topic has a limit
//	queue     carillon:<topic>:<subscription>:<partition>   quorum, with a single active consumer
//	exchange  carillon:<topic>:<subscription>               fanout, where consumers announce themselves
//	queue     carillon::<consumer>                          exclusive to a consumer, gone with it
//
// Messages are CloudEvents in the binary mode of the AMQP binding, with the attributes in headers "cloudEvents_…".
//
// It needs RabbitMQ 3.10 or newer.
package rabbitmq
