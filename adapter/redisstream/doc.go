// Package redisstream is a broker on Redis Streams.
//
// Delivery is at least once. Order per key holds among consumers that share a subscription, come, go and die: a topic has partitions,
// each partition is a stream, and each partition of a subscription has one owner at a time. Owners are leases on the server's clock,
// each with an epoch, and kept by scripts that spread partitions evenly over the consumers that live. A new owner begins with the first
// message that is not settled, and passes over those behind it that are. A consumer that has to give a partition up stops handing out
// its messages and waits for those it holds to be settled, at most for its AckDeadline; then they are lost to it. One that dies loses
// its partitions after its AckDeadline. What a former owner still settles, the server passes over.
//
// A confirmed message is in the append-only file and, with appendfsync always, flushed. What voids that: a failover, because replicas
// follow later (see [Replicated]), and each setting that [Source.OpenBroker] refuses with [carillon.ErrUnsafe]: no append-only file,
// appendfsync other than always, no-appendfsync-on-rewrite, and a maxmemory-policy that evicts. [WithPossibleLoss] takes them.
//
// An acknowledgement is noted and sent within milliseconds, with others, while the next messages are read; Ack does not wait for it. A
// consumer that dies in that time has what it settled delivered again. The attempt of a delivery is counted the same way: one whose
// consumer died within milliseconds of having it may not be counted.
//
// Streams are trimmed of what every subscription has settled, and of what is older than the topic's retention, unless a consumer has
// had it: that is kept. All of this is in memory; with maxmemory reached, publishing fails with [carillon.ErrUnavailable].
//
// In Redis it makes these keys, with the prefix "carillon" unless [Prefix] says otherwise. The keys of a topic are in one slot of a
// cluster:
//
//	carillon:{<topic>}                              hash: the topic's partitions, limit, retention and subscriptions
//	carillon:{<topic>}:<partition>                  stream; its consumer groups show how far the subscriptions are settled
//	carillon:{<topic>}:<subscription>               hash: owners, epochs and what is settled, by partition
//	carillon:{<topic>}:<subscription>:<partition>   set: what is settled behind a message that is not
//	carillon:{<topic>}:<subscription>:members       sorted set: the consumers, and until when they are taken to live
//
// Nothing else may write to these streams' consumer groups. Entries are CloudEvents: their attributes are in the field "attributes", a
// line "name:value" for each with percent and control characters escaped as in a URL, and the payload in the field "data". Entries with
// a field for each attribute are read too. An entry that is none is delivered as a message of type carillon.unreadable.
//
// It needs Redis 7.0 or Valkey 7.2, or newer.
package redisstream
