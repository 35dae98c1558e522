package messaging

import (
	"context"

	"github.com/carillon-go/carillon"
)

// Forwarder publishes events of the service's own log to a topic: those of the types that the topic carries as events. The log is the
// outbox: what was appended is published.
type Forwarder struct {
	topic *Topic
}

// Forward makes a forwarder to a topic.
func Forward(topic *Topic) *Forwarder { return &Forwarder{topic} }

// Topic is where the events go.
func (f *Forwarder) Topic() *Topic { return f.topic }

// Name is what the forwarder's checkpoint stands under.
func (f *Forwarder) Name() string { return "forward/" + f.topic.Name() }

// Types names the events that are published.
func (f *Forwarder) Types() (names []string) {
	for _, name := range f.topic.names() {
		if f.topic.byName[name].kind == carillon.KindEvent {
			names = append(names, name)
		}
	}
	return names
}

// Describe describes the forwarder.
func (f *Forwarder) Describe() carillon.Description {
	return carillon.Description{Kind: "forwarder", Name: f.Name(), Accepts: f.Types(), Detail: map[string]string{"topic": f.topic.Name()}}
}

// PublishRecorded publishes events as they stand in the log, with the stream as key where they have none of their own.
func (e *Engine) PublishRecorded(ctx context.Context, topic *Topic, events []carillon.Recorded) error {
	messages := make([]carillon.Message, len(events))
	for i := range events {
		messages[i] = events[i].Message
		if messages[i].Key == "" {
			messages[i].Key = events[i].Stream
		}
		if err := topic.deposit(ctx, &messages[i]); err != nil {
			return err
		}
	}
	return e.publish(ctx, topic.Name(), messages)
}
