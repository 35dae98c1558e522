// Package webhook lets services and others hand each other messages over HTTP, as CloudEvents 1.0.
//
//	in := webhook.Receive(orders)                                       // POST /events publishes to the topic orders
//	app.New(store, orders, in, rest.Serve(":8080", rest.Mount("POST /events", in), rest.Mount("OPTIONS /events", in)))
//
//	partner, err := webhook.NewTarget("https://partner.example/events") // what the topic brings is sent on
//	app.New(store, messaging.Consume("partner", orders, webhook.Send[OrderPlaced](partner)))
//
// Handing over. A receiver answers 202 when the messages of a request are durable, and not before; until then the sender has them.
// What comes again under its id is answered in the same way and published once. A target has had a message when it has answered with
// 2xx; until then it is sent again, under its id, in the order of its key.
//
// A sender that asks before it sends, by OPTIONS, is told that it may where [AllowOrigins] names it.
//
// Neither knows who is at the other end: put the receiver behind what authenticates, and give the target a header that it knows.
package webhook
