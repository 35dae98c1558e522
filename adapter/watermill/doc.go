// Package watermill joins Carillon to applications that use watermill, see https://watermill.io, both ways.
//
// # A Pub/Sub of watermill as a broker
//
// [PubSub] makes a [carillon.BrokerOpener] of a way to get publishers and one to get subscribers, so that any of watermill's adapters
// serves as a Carillon broker. Watermill has no common word for consumers that share a subscription, so the caller says what subscriber
// stands for a subscription's name: one of a consumer group, a queue, a durable name.
//
// Delivery is at least once. A message is acknowledged to watermill when Carillon has settled it, and never before; what was not settled
// when a consumer leaves is given back with Nack. There is more that watermill does not tell, and the caller may: what a message survives
// once it is published ([Confirmed]), that messages come in order ([InOrder]), that they are kept without a subscription ([Retains]). What
// nobody says is not claimed. A subscriber of watermill gives the next message once the one before is acknowledged;
// [carillon.Capabilities] says so with Unsettled.
//
// # A broker for applications of watermill
//
// [NewPublisher] and [NewSubscriber] are watermill's message.Publisher and message.Subscriber over any Carillon broker. The user of
// watermill acknowledges: an acknowledged message is settled with the broker, one that is refused with Nack comes again, before any that
// stands behind it. Delivery is at least once.
//
// # How messages are written
//
// A message of Carillon is a message of watermill in the binary mode of CloudEvents: each attribute is an entry of the metadata with the
// prefix "ce_", except datacontenttype, which is "content-type", as in Kafka's binding. In a value, percent and control characters are
// written as percent and two digits. The payload is the payload, and the UUID is the id, or a digest of one that is longer than a UUID.
//
// A message of watermill that is no CloudEvent is read by a [Mapping]; the default is [Plain], whose messages are written as they
// were: UUID, metadata and payload come out as they went in.
package watermill
