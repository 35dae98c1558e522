package main

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	millamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	millkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	millnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	millredis "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	millsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/nats-io/nats.go"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
)

// openMillNATS opens watermill-nats on JetStream. Tuned, it acknowledges without waiting, has four subscribers, and does not ask for the
// stream before it publishes.
func openMillNATS(ctx context.Context, url, name string, tuned bool, handle receiver) (carrier, error) {
	subscribing := millnats.JetStreamConfig{
		AutoProvision: true, DurablePrefix: name, AckAsync: tuned, SubscribeOptions: []nats.SubOpt{nats.DeliverAll(), nats.AckExplicit()},
	}
	subscribers := 1
	if tuned {
		subscribers = 4
	}
	subscriber, err := millnats.NewSubscriber(millnats.SubscriberConfig{
		URL: url, JetStream: subscribing, SubscribersCount: subscribers, QueueGroupPrefix: name,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	publisher, err := millnats.NewPublisher(millnats.PublisherConfig{
		URL: url, JetStream: millnats.JetStreamConfig{AutoProvision: !tuned, TrackMsgId: true},
	}, watermill.NopLogger{})
	if err != nil {
		return nil, errors.Join(err, subscriber.Close())
	}
	return openMill(ctx, name, publisher, subscriber, handle, nil)
}

// openMillAMQP opens watermill-amqp with confirms, a channel for each caller, a quorum queue and a prefetch of the whole traffic.
func openMillAMQP(ctx context.Context, url, name string, t traffic, handle receiver) (carrier, error) {
	config := millamqp.NewDurableQueueConfig(url)
	config.Queue.Arguments = amqp.Table{"x-queue-type": "quorum"}
	config.Publish.ConfirmDelivery = true
	config.Publish.ChannelPoolSize = t.callers
	config.Consume.Qos.PrefetchCount = t.all()
	subscriber, err := millamqp.NewSubscriber(config, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	publisher, err := millamqp.NewPublisher(config, watermill.NopLogger{})
	if err != nil {
		return nil, errors.Join(err, subscriber.Close())
	}
	return openMill(ctx, name, publisher, subscriber, handle, nil)
}

// openMillRedis opens watermill-redisstream with a client for each end, which close them.
func openMillRedis(ctx context.Context, url, name string, handle receiver) (carrier, error) {
	reading, err := dialRedis(url)
	if err != nil {
		return nil, err
	}
	writing, err := dialRedis(url)
	if err != nil {
		return nil, errors.Join(err, reading.Close())
	}
	subscriber, err := millredis.NewSubscriber(millredis.SubscriberConfig{
		Client: reading, ConsumerGroup: "shipping", DisableIndefiniteInitialBlock: true,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, errors.Join(err, reading.Close(), writing.Close())
	}
	publisher, err := millredis.NewPublisher(millredis.PublisherConfig{Client: writing}, watermill.NopLogger{})
	if err != nil {
		return nil, errors.Join(err, reading.Close(), writing.Close())
	}
	return openMill(ctx, name, publisher, subscriber, handle, nil)
}

// openMillKafka opens watermill-kafka with the acknowledgement of all replicas, and the key of a message for its partition.
func openMillKafka(ctx context.Context, address, name string, handle receiver) (carrier, error) {
	marshaler := millkafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return m.Metadata[metadataKey], nil })
	consuming := millkafka.DefaultSaramaSubscriberConfig()
	consuming.Version, consuming.Consumer.Offsets.Initial = sarama.V3_6_0_0, sarama.OffsetOldest
	subscriber, err := millkafka.NewSubscriber(millkafka.SubscriberConfig{
		Brokers: []string{address}, Unmarshaler: marshaler, ConsumerGroup: name, OverwriteSaramaConfig: consuming,
		InitializeTopicDetails: &sarama.TopicDetail{NumPartitions: carillon.DefaultPartitions, ReplicationFactor: 1},
	}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	if err := subscriber.SubscribeInitialize(name); err != nil {
		return nil, errors.Join(err, subscriber.Close())
	}
	producing := millkafka.DefaultSaramaSyncPublisherConfig()
	producing.Version, producing.Producer.RequiredAcks = sarama.V3_6_0_0, sarama.WaitForAll
	publisher, err := millkafka.NewPublisher(millkafka.PublisherConfig{
		Brokers: []string{address}, Marshaler: marshaler, OverwriteSaramaConfig: producing,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, errors.Join(err, subscriber.Close())
	}
	return openMill(ctx, name, publisher, subscriber, handle, nil)
}

// openMillSQL opens watermill-sql on PostgreSQL. It looks for messages every millisecond.
func openMillSQL(ctx context.Context, d *pgDatabase, handle receiver) (carrier, error) {
	publisher, subscriber, after, err := millSQL(ctx, d)
	if err != nil {
		return nil, err
	}
	return openMill(ctx, "orders", publisher, subscriber, handle, after)
}

// millSQL makes watermill-sql's tables in a schema of their own.
func millSQL(ctx context.Context, d *pgDatabase) (message.Publisher, *millsql.Subscriber, func() error, error) {
	schema := d.name()
	if err := d.exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		return nil, nil, nil, err
	}
	pool, err := d.pool(ctx, schema, 8)
	if err != nil {
		return nil, nil, nil, err
	}
	after := func() error { pool.Close(); return nil }
	subscriber, err := millsql.NewSubscriber(millsql.BeginnerFromPgx(pool), millsql.SubscriberConfig{
		ConsumerGroup: "shipping", SchemaAdapter: millsql.DefaultPostgreSQLSchema{}, OffsetsAdapter: millsql.DefaultPostgreSQLOffsetsAdapter{},
		PollInterval: time.Millisecond, InitializeSchema: true,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, nil, nil, errors.Join(err, after())
	}
	publisher, err := millsql.NewPublisher(millsql.BeginnerFromPgx(pool), millsql.PublisherConfig{
		SchemaAdapter: millsql.DefaultPostgreSQLSchema{}, AutoInitializeSchema: true,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, nil, nil, errors.Join(err, after())
	}
	return publisher, subscriber, after, nil
}

func openMillChannel(ctx context.Context, room int, handle receiver) (carrier, error) {
	both := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: int64(room)}, watermill.NopLogger{})
	return openMill(ctx, "orders", both, both, handle, nil)
}
