package messaging

import (
	"context"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/readings"
)

// readings are how much waits, and what is parked.
func (e *Engine) readings(ctx context.Context) (all []carillon.Reading) {
	if kept, ok := e.outbox.(carillon.Prober); ok && e.outbox != e.broker {
		for topic := range e.published {
			if backlog, err := kept.Probe(ctx, topic, relayName); err == nil {
				all = append(all, carillon.Reading{Kind: carillon.ReadingOutbox, Name: topic, Value: backlog.Waiting + backlog.Unsettled})
			}
		}
	}
	probed, probes := e.broker.(carillon.Prober)
	letters, parks := e.store.(carillon.DeadLetterStore)
	for _, c := range e.consumers {
		if probes {
			if backlog, err := probed.Probe(ctx, c.topic.Name(), c.name); err == nil {
				all = append(all, carillon.Reading{
					Kind: carillon.ReadingBacklog, Name: c.name, Topic: c.topic.Name(), Value: backlog.Waiting + backlog.Unsettled,
				})
			}
		}
		if parks {
			all = append(all, readings.Parked(ctx, letters.DeadLetters(), c.name, c.topic.Name())...)
		}
	}
	return all
}

// about makes an activity about messages: it goes on from the trace of one, and is linked to those of several.
func about(activity carillon.Activity, count int, message func(i int) *carillon.Message) carillon.Activity {
	activity.Count = count
	if count == 1 {
		activity.Message = message(0)
		activity.Cause = activity.Message.Trace()
		return activity
	}
	for i := range count {
		if trace := message(i).Trace(); trace.Parent != "" && len(activity.Links) < carillon.MaxLinks {
			activity.Links = append(activity.Links, trace)
		}
	}
	return activity
}

// from is the trace that what comes of an activity goes on from: its own, or where the observer has none that of its cause.
func from(o carillon.Observation, cause *carillon.Message) carillon.Trace {
	if trace := o.Trace(); trace.Parent != "" {
		return trace
	}
	return cause.Trace()
}

// outboxName is the broker that messages are handed to first.
func (e *Engine) outboxName() string {
	if e.outbox != nil {
		return e.outbox.Capabilities().Broker
	}
	return e.broker.Capabilities().Broker
}

// create begins the activity of making a message, which then carries its trace.
func (e *Engine) create(ctx context.Context, topic string, m *carillon.Message) carillon.Observation {
	_, o := e.observer.Begin(ctx, carillon.Activity{
		Kind: carillon.ActivityCreate, Name: topic, Broker: e.outboxName(), Message: m, Count: 1, Cause: m.Trace(),
	})
	m.SetTrace(from(o, m))
	return o
}

// created tells the observer of a message that a handler publishes: it goes out with the handler's transaction.
func (e *Engine) created(topic string, m *carillon.Message) {
	if e.observer != nil {
		e.create(context.Background(), topic, m).End(nil)
	}
}

// observedPublish publishes messages, each of which carries the trace of its own making.
func (e *Engine) observedPublish(ctx context.Context, to carillon.Broker, topic string, messages []carillon.Message) (err error) {
	made := make([]carillon.Observation, len(messages))
	for i := range messages {
		made[i] = e.create(ctx, topic, &messages[i])
	}
	defer func() {
		for _, o := range made {
			o.End(err)
		}
	}()
	return e.send(ctx, to, topic, messages)
}

// send publishes messages to a broker.
func (e *Engine) send(ctx context.Context, to carillon.Broker, topic string, messages []carillon.Message) (err error) {
	if e.observer == nil {
		return to.Publish(ctx, topic, messages)
	}
	ctx, o := e.observer.Begin(ctx, about(carillon.Activity{
		Kind: carillon.ActivitySend, Name: topic, Broker: to.Capabilities().Broker,
	}, len(messages), func(i int) *carillon.Message { return &messages[i] }))
	defer func() { o.End(err) }()
	return to.Publish(ctx, topic, messages)
}

// sendWithin publishes messages in a transaction.
func (e *Engine) sendWithin(ctx context.Context, to carillon.OutboxTx, topic string, messages []carillon.Message) (err error) {
	if e.observer == nil {
		return to.Publish(topic, messages)
	}
	_, o := e.observer.Begin(ctx, about(carillon.Activity{
		Kind: carillon.ActivitySend, Name: topic, Broker: e.outboxName(),
	}, len(messages), func(i int) *carillon.Message { return &messages[i] }))
	defer func() { o.End(err) }()
	return to.Publish(topic, messages)
}

// activity is what the worker does with messages of its topic.
func (w *worker) activity(kind carillon.ActivityKind) carillon.Activity {
	return carillon.Activity{Kind: kind, Name: w.topic.Name(), Consumer: w.name, Broker: w.engine.broker.Capabilities().Broker}
}

// received takes trace context from messages where it is none, and tells the observer how many have come.
func (w *worker) received(ctx context.Context, deliveries []carillon.Delivery) {
	for i := range deliveries {
		m := &deliveries[i].Message
		if trace := carillon.ParseTrace(m.TraceParent, m.TraceState); trace != m.Trace() {
			m.SetTrace(trace)
		}
	}
	if w.engine.observer == nil {
		return
	}
	activity := w.activity(carillon.ActivityReceive)
	activity.Count = len(deliveries)
	_, o := w.engine.observer.Begin(ctx, activity)
	o.End(nil)
}

// settle acknowledges deliveries.
func (w *worker) settle(ctx context.Context, deliveries []carillon.Delivery) (err error) {
	if w.engine.observer == nil {
		return w.subscription.Ack(ctx, deliveries)
	}
	activity := w.activity(carillon.ActivitySettle)
	activity.Count = len(deliveries)
	ctx, o := w.engine.observer.Begin(ctx, activity)
	defer func() { o.End(err) }()
	return w.subscription.Ack(ctx, deliveries)
}

// beginBatch begins what messages that share a transaction share: for one message that is handling it.
func (w *worker) beginBatch(ctx context.Context, batch []*delivery, chosen []int) (context.Context, carillon.Observation) {
	kind := carillon.ActivityProcess
	if len(chosen) > 1 {
		kind = carillon.ActivityProcessBatch
	}
	return w.engine.observer.Begin(ctx, about(w.activity(kind), len(chosen), func(n int) *carillon.Message { return &batch[chosen[n]].Message }))
}

// begin begins handling one message.
func (w *worker) begin(ctx context.Context, m *carillon.Message) (context.Context, carillon.Observation) {
	return w.engine.observer.Begin(ctx, about(w.activity(carillon.ActivityProcess), 1, func(int) *carillon.Message { return m }))
}

// invokeWithin calls the handler of a message that is alone in its transaction, or one of several.
func (w *worker) invokeWithin(
	ctx context.Context, whole carillon.Observation, alone bool, tx carillon.ReadModelTx, m *carillon.Message, out *outgoing,
) error {
	switch {
	case whole == nil:
		return w.invoke(ctx, tx, m, m.Trace(), out)
	case alone:
		return w.invoke(ctx, tx, m, from(whole, m), out)
	default:
		return w.invokeAlone(ctx, tx, m, out)
	}
}

// invokeAlone calls the handler of a message as an activity of its own.
func (w *worker) invokeAlone(ctx context.Context, tx carillon.ReadModelTx, m *carillon.Message, out *outgoing) (err error) {
	if w.engine.observer == nil {
		return w.invoke(ctx, tx, m, m.Trace(), out)
	}
	ctx, o := w.begin(ctx, m)
	defer func() { o.End(err) }()
	return w.invoke(ctx, tx, m, from(o, m), out)
}

// beginCommand begins answering a message with a command, which goes on from the trace of the message that is returned.
func (w *worker) beginCommand(ctx context.Context, m *carillon.Message) (context.Context, *carillon.Message, func(error)) {
	if w.engine.observer == nil {
		return ctx, m, unobserved
	}
	ctx, o := w.begin(ctx, m)
	traced := *m
	traced.SetTrace(from(o, m))
	return ctx, &traced, o.End
}

// beginRetry begins another try of a parked message. It is long since it was published: the message goes on from the trace of the retry,
// which is linked to the one it had.
func (w *worker) beginRetry(ctx context.Context, m *carillon.Message) (context.Context, func(error)) {
	if w.engine.observer == nil {
		return ctx, unobserved
	}
	activity := w.activity(carillon.ActivityRetry)
	activity.Message, activity.Count = m, 1
	if m.TraceParent != "" {
		activity.Links = []carillon.Trace{m.Trace()}
	}
	ctx, o := w.engine.observer.Begin(ctx, activity)
	m.SetTrace(from(o, m))
	return ctx, o.End
}

// unobserved ends what nobody observes.
func unobserved(error) {}
