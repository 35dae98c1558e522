package cloudevents_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	amqpsdk "github.com/cloudevents/sdk-go/protocol/amqp/v2"
	kafkasdk "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	natssdk "github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"

	goamqp "github.com/Azure/go-amqp"
	"github.com/IBM/sarama"
	"github.com/nats-io/nats.go"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
)

// place is a topic of one partition in a broker, and the broker's own client beside the adapter.
type place struct {
	opener carillon.BrokerOpener
	// read returns what stands in the topic, as the SDK reads it. write puts what the SDK writes there.
	read  func(ctx context.Context, t *testing.T, messages int) []event.Event
	write func(ctx context.Context, t *testing.T, e *event.Event)
}

// toSDK publishes messages through the adapter, and returns what the SDK reads.
func (p place) toSDK(t *testing.T, sent []carillon.Message) []event.Event {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	broker := p.open(ctx, t)
	for i := range sent { // one by one, since they have keys and no order between them
		if err := broker.Publish(ctx, "orders", sent[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return p.read(ctx, t, len(sent))
}

// fromSDK has the SDK write events, and returns what the adapter delivers.
func (p place) fromSDK(t *testing.T, sent []event.Event, structured bool) []carillon.Message {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	broker := p.open(ctx, t)
	writing := ctx
	if structured {
		writing = binding.WithForceStructured(ctx)
	}
	for i := range sent {
		p.write(writing, t, &sent[i])
	}
	s, err := broker.Subscribe(ctx, "orders", "billing", carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []carillon.Message
	for len(got) < len(sent) {
		deliveries, err := s.Receive(ctx, len(sent))
		if err != nil {
			t.Fatalf("%d of %d came: %v", len(got), len(sent), err)
		}
		for _, d := range deliveries {
			got = append(got, d.Message)
		}
		if err := s.Ack(ctx, deliveries); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func (p place) open(ctx context.Context, t *testing.T) carillon.Broker {
	t.Helper()
	broker, err := p.opener.OpenBroker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := broker.Declare(ctx, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	return broker
}

// read makes an event of a message of the SDK.
func read(ctx context.Context, t *testing.T, m binding.MessageReader) event.Event {
	t.Helper()
	e, err := binding.ToEvent(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	return *e
}

func ofRecord(ctx context.Context, t *testing.T, record *kgo.Record) event.Event {
	t.Helper()
	headers, contentType := make(map[string][]byte), ""
	for _, header := range record.Headers {
		headers[header.Key] = header.Value
		if header.Key == "content-type" {
			contentType = string(header.Value)
		}
	}
	return read(ctx, t, kafkasdk.NewMessage(record.Value, contentType, headers))
}

func toRecord(ctx context.Context, t *testing.T, e *event.Event) *kgo.Record {
	t.Helper()
	var written sarama.ProducerMessage
	if err := kafkasdk.WriteProducerMessage(ctx, binding.ToMessage(e), &written); err != nil {
		t.Fatal(err)
	}
	record := &kgo.Record{}
	for _, header := range written.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: string(header.Key), Value: header.Value})
	}
	var err error
	if record.Value, err = written.Value.Encode(); err != nil {
		t.Fatal(err)
	}
	if written.Key != nil {
		if record.Key, err = written.Key.Encode(); err != nil {
			t.Fatal(err)
		}
	}
	return record
}

func ofNATS(ctx context.Context, t *testing.T, header nats.Header, data []byte) event.Event {
	t.Helper()
	return read(ctx, t, natssdk.NewMessage(&nats.Msg{Header: header, Data: data}))
}

func toNATS(ctx context.Context, t *testing.T, e *event.Event) *nats.Msg {
	t.Helper()
	var data bytes.Buffer
	header, err := natssdk.WriteMsg(ctx, binding.ToMessage(e), &data)
	if err != nil {
		t.Fatal(err)
	}
	return &nats.Msg{Header: header, Data: data.Bytes()}
}

// ofAMQP reads a delivery of AMQP 0.9.1 as the server would hand it to a client of AMQP 1.0: headers are application properties. The SDK
// knows attributes by the older of the two prefixes alone.
func ofAMQP(ctx context.Context, t *testing.T, d *amqp.Delivery) event.Event {
	t.Helper()
	m := goamqp.NewMessage(d.Body)
	m.Properties = &goamqp.MessageProperties{ContentType: &d.ContentType}
	m.ApplicationProperties = make(map[string]any)
	for name, value := range d.Headers {
		m.ApplicationProperties[olderPrefix(name)] = value
	}
	e := read(ctx, t, amqpsdk.NewMessage(m, nil))
	return e
}

func toAMQP(ctx context.Context, t *testing.T, e *event.Event) amqp.Publishing {
	t.Helper()
	var m goamqp.Message
	if err := amqpsdk.WriteMessage(ctx, binding.ToMessage(e), &m); err != nil {
		t.Fatal(err)
	}
	p := amqp.Publishing{Headers: make(amqp.Table), Body: m.GetData()}
	if m.Properties != nil && m.Properties.ContentType != nil {
		p.ContentType = *m.Properties.ContentType
	}
	for name, value := range m.ApplicationProperties {
		p.Headers[name] = value
	}
	return p
}
