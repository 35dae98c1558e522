package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// handKafka is Kafka by hand with franz-go: an idempotent producer without linger, keys hashed to the partitions; a consumer group whose
// offsets are committed as marked after the handler, in the background.
type handKafka struct {
	producer, consumer *kgo.Client
	topic              string
	stop               context.CancelFunc
	running            sync.WaitGroup
	failure            error
}

// createKafkaTopic makes a topic with as many partitions as the product's, and returns once its leaders are there.
func createKafkaTopic(ctx context.Context, client *kgo.Client, name string) error {
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, carillon.DefaultPartitions, 1, nil, name); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return await(limited, func() (bool, error) {
		ends, err := admin.ListEndOffsets(limited, name)
		return err == nil && ends.Error() == nil && len(ends[name]) == carillon.DefaultPartitions, nil
	})
}

func openHandKafka(ctx context.Context, address, name string, handle receiver) (*handKafka, error) {
	producer, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ProducerLinger(0), kgo.DefaultProduceTopic(name))
	if err != nil {
		return nil, err
	}
	if err := createKafkaTopic(ctx, producer, name); err != nil {
		producer.Close()
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumerGroup(name), kgo.ConsumeTopics(name), kgo.AutoCommitMarks(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		producer.Close()
		return nil, err
	}
	consuming, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &handKafka{producer: producer, consumer: consumer, topic: name, stop: stop}
	h.running.Go(func() { h.failure = h.consume(consuming, handle) })
	return h, nil
}

func (h *handKafka) consume(ctx context.Context, handle receiver) error {
	for {
		fetches := h.consumer.PollRecords(ctx, receiveAtOnce)
		if err := fetches.Err0(); err != nil {
			return unlessOver(ctx, err)
		}
		var failure error
		fetches.EachError(func(_ string, _ int32, err error) { failure = errors.Join(failure, err) })
		fetches.EachRecord(func(record *kgo.Record) { failure = errors.Join(failure, handle(record.Value)) })
		if failure != nil {
			return failure
		}
		h.consumer.MarkCommitRecords(fetches.Records()...)
	}
}

func (h *handKafka) send(ctx context.Context, _ int, batch []parcel) error {
	records := make([]*kgo.Record, len(batch))
	for i := range batch {
		records[i] = &kgo.Record{
			Key: []byte(batch[i].key), Value: batch[i].payload,
			Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(ids.New())}, {Key: headerType, Value: []byte(orderPlaced)}},
		}
	}
	return h.producer.ProduceSync(ctx, records...).FirstErr()
}

func (h *handKafka) close() error {
	h.stop()
	h.running.Wait()
	err := h.consumer.CommitMarkedOffsets(context.Background())
	h.consumer.Close()
	h.producer.Close()
	return errors.Join(h.failure, err)
}
