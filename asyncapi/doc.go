// Package asyncapi describes the topics of services, who sends to them and who receives, as an AsyncAPI 3.0.0 document.
//
//	document, err := asyncapi.Document("Shop",
//		asyncapi.Service("payments", messaging.Consume("payments", orders, …), messaging.Forward(payments)),
//		asyncapi.Broker("nats://localhost:4222"))
//
// Channels are topics, operations are consumers, forwarders and what handlers publish to; messages have the JSON schemas of their Go types.
// The same services give the same document, byte for byte.
package asyncapi
