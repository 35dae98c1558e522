// Package messaging moves messages between services without losing any and without an effect happening twice.
//
//	var orders = messaging.NewTopic("orders", messaging.Event[OrderPlaced]("order.placed"))
//
//	messaging.Forward(orders, projection.FromBeginning())                // what this service's log says, to the topic
//	messaging.Consume("shipping", orders,                                // what the topic brings, to this service
//		messaging.On(func(ctx context.Context, tx *messaging.Tx, e OrderPlaced) error { … }),
//		messaging.Send(func(e OrderPlaced) any { return ShipOrder{…} }))
//
//	messaging.Serve("payments", requests)                                // what the topic asks, answered by this service's bus
//	messaging.Remote("shop", requests)                                   // the same, asked through the bus of another service
//
// Handing over. No place lets go of a message before the next one has it. What a handler publishes is published by the commit of its own
// transaction, which also notes the message as handled: a message that comes again changes nothing. Where the broker is a server, a
// relay passes on what the store's topics hold and settles it when the broker has confirmed it. A delivery is settled after the commit.
//
// Asking. A request is no hand-off, since its caller waits: it is published to the broker at once, and answered before the deadline, or the
// caller is told what is known. Nothing of it is kept on behalf of a caller who is gone.
//
// Guarantees. Delivery is at least once; processing is effectively once for what shares the handler's transaction, or goes to a decider
// as a command. The messages of a key are handled in order, one at a time, as far as the broker keeps order. A handler that fails is
// called again while its key waits; after some attempts the message is parked as a dead letter with its cause, and the later messages of
// its key behind it, until somebody asks for another try or the program starts again. What returning from a handler means is all there
// is: nothing is acknowledged by hand, and no broker is within reach.
package messaging
