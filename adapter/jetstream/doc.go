// Package jetstream moves messages through the streams of a NATS server or cluster.
//
//	broker := jetstream.Server("nats://nats.example:4222", jetstream.Credentials("orders.creds"), jetstream.Replicas(3))
//
// Delivery is at least once, and the messages of a key come in the order they were published in, also while consumers come, go
// and die: each partition of a subscription has one owner, and a new owner begins behind the last message up to which everything
// was settled.
//
// What a confirm means: the message is in the file of a stream, flushed to the disk; with replicas, in those of most of them.
// What voids it:
//
//   - a server that does not flush each write: set sync_interval: always in its jetstream block. A client cannot see this setting.
//     Say [FlushedLater] where it is not set, and the loss is named in the capabilities;
//   - streams in memory or with persist_mode async, and an even number of replicas: they are refused with [carillon.ErrUnsafe];
//   - damage to the files of a stream without replicas: the server finds it, and may drop what stands behind. The store that the
//     messages come from is the truth, the broker carries copies.
//
// What a service makes on the server, with "carillon" for [Prefix] and "=" for each dot in the name of a topic or subscription:
//
//   - a stream carillon_<topic> for each topic, with the subjects carillon.<topic>.<partition>. It keeps messages for the topic's
//     retention, and drops what is published again under the same id within [Duplicates]; a message under its own id is therefore
//     not taken twice within that time even when that is wanted;
//   - a bucket carillon (the stream KV_carillon), where subscriptions, their owners and how far they have come are written down;
//   - consumers without a name and without acknowledgement, one for each partition that is being read. They vanish by themselves.
//
// Messages are CloudEvents in binary mode: a header "ce-" and its name for each attribute, and the payload as it is.
// Whatever else is published to a topic's subjects is delivered as a document of the type [Unreadable].
//
// Several messages published at once are one atomic batch of the server, flushed once, as soon as that is faster. Where it flushes later
// they are a fast batch, which is confirmed once, on a server from 2.14 on that is not in a cluster: the server takes them one after
// another, and none behind one that it refuses.
//
// Servers before 2.12.7, and 2.13, are refused.
package jetstream
