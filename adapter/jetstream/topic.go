package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
)

// metadataPartitions is where a stream says how many partitions its topic has.
const metadataPartitions = "carillon.partitions"

// topic is what a broker knows of a declared topic.
type topic struct {
	name, stream string
	subjects     []string // of each partition
	limited      bool
	fast         bool // takes fast batches
	replicas     int
}

// start is what a subscription's key holds.
type start struct {
	// Stream is when the stream was made, in nanoseconds.
	Stream int64 `json:"stream"`
	// After is the last message of the stream that was there before the subscription.
	After uint64 `json:"after"`
}

// Declare makes the streams of topics, and writes their subscriptions down.
func (b *broker) Declare(ctx context.Context, topics ...carillon.Topic) error {
	for _, t := range topics {
		if err := t.Check(); err != nil {
			return err
		}
	}
	bounded, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, t := range topics {
		if err := b.declare(bounded, t.WithDefaults()); err != nil {
			return fmt.Errorf("topic %s: %w", t.Name, b.bound(ctx, err))
		}
	}
	return nil
}

func (b *broker) declare(ctx context.Context, t carillon.Topic) error {
	wanted := b.streamConfig(t)
	stream, err := b.js.CreateStream(ctx, wanted)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		stream, err = b.adapt(ctx, t, wanted)
	}
	if err != nil {
		return err
	}
	known, err := known(t.Name, stream.CachedInfo().Config)
	if err != nil {
		return err
	}
	for _, name := range t.Subscriptions {
		if err := b.subscribed(ctx, stream, t.Name, name); err != nil {
			return fmt.Errorf("subscription %s: %w", name, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[t.Name] = known
	return nil
}

func (b *broker) streamConfig(t carillon.Topic) jetstream.StreamConfig {
	config := jetstream.StreamConfig{
		Name: streamName(b.source.prefix, t.Name), Description: "Carillon: topic " + t.Name,
		Subjects: []string{subjects(b.source.prefix, t.Name)}, Storage: jetstream.FileStorage, Replicas: b.source.replicas,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxAge: t.Retention,
		Duplicates: min(b.source.duplicates, t.Retention), AllowDirect: true, AllowAtomicPublish: true, AllowBatchPublish: b.takesFastBatches(), MaxMsgs: -1,
		Metadata: map[string]string{metadataPartitions: strconv.Itoa(t.Partitions)},
	}
	if t.Limit > 0 {
		config.Discard, config.MaxMsgs = jetstream.DiscardNew, t.Limit
	}
	return config
}

// adapt gives a stream that is there what it lacks, and takes nothing away.
func (b *broker) adapt(ctx context.Context, t carillon.Topic, wanted jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := b.js.Stream(ctx, wanted.Name)
	if err != nil {
		return nil, err
	}
	config := stream.CachedInfo().Config
	there, err := known(t.Name, config)
	if err != nil {
		return nil, err
	}
	if len(there.subjects) != t.Partitions {
		return nil, fmt.Errorf("it has %d partitions, not %d: %w", len(there.subjects), t.Partitions, carillon.ErrConflict)
	}
	keeps := config.MaxAge == 0 || config.MaxAge >= wanted.MaxAge
	if keeps && (t.Limit == 0 || config.MaxMsgs == t.Limit && there.limited) && config.AllowAtomicPublish &&
		(config.AllowBatchPublish || !wanted.AllowBatchPublish) {
		return stream, nil
	}
	if !keeps {
		config.MaxAge = wanted.MaxAge
	}
	if t.Limit > 0 {
		config.Discard, config.MaxMsgs = jetstream.DiscardNew, t.Limit
	}
	config.AllowAtomicPublish, config.AllowBatchPublish = true, config.AllowBatchPublish || wanted.AllowBatchPublish
	return b.js.UpdateStream(ctx, config)
}

// known reads a topic from its stream.
func known(name string, config jetstream.StreamConfig) (topic, error) {
	if err := checkStream(config); err != nil {
		return topic{}, err
	}
	n, err := strconv.Atoi(config.Metadata[metadataPartitions])
	if err != nil || n < 1 || len(config.Subjects) != 1 {
		return topic{}, fmt.Errorf("stream %s is not one that Carillon made: %w", config.Name, carillon.ErrConflict)
	}
	base := config.Subjects[0][:len(config.Subjects[0])-1]
	t := topic{name: name, stream: config.Name, limited: config.Discard == jetstream.DiscardNew, fast: config.AllowBatchPublish, replicas: config.Replicas}
	for partition := range n {
		t.subjects = append(t.subjects, base+strconv.Itoa(partition))
	}
	return t, nil
}

// subscribed writes a subscription down, unless it is there.
func (b *broker) subscribed(ctx context.Context, stream jetstream.Stream, topic, name string) error {
	key := subscriptionKey(topic, name)
	if _, err := b.bucket.Get(ctx, key); !errors.Is(err, jetstream.ErrKeyNotFound) {
		return err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	value, err := json.Marshal(start{Stream: info.Created.UnixNano(), After: info.State.LastSeq})
	if err != nil {
		return err
	}
	if _, err = b.bucket.Create(ctx, key, value); errors.Is(err, jetstream.ErrKeyExists) {
		return nil
	}
	return err
}

// topic finds a declared topic, [carillon.ErrNotFound] when nobody declared it.
func (b *broker) topic(ctx context.Context, name string) (topic, error) {
	b.mu.Lock()
	t, ok := b.topics[name]
	b.mu.Unlock()
	if ok {
		return t, nil
	}
	if err := (carillon.Topic{Name: name}).Check(); err != nil {
		return topic{}, err
	}
	stream, err := b.js.Stream(ctx, streamName(b.source.prefix, name))
	if err != nil {
		return topic{}, err
	}
	t, err = known(name, stream.CachedInfo().Config)
	if err != nil {
		return topic{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[name] = t
	return t, nil
}

// forget makes the next call look a topic up again.
func (b *broker) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.topics, name)
}

// start finds a declared subscription.
func (b *broker) start(ctx context.Context, topic, name string) (start, error) {
	var s start
	if err := (carillon.Topic{Name: topic, Subscriptions: []string{name}}).Check(); err != nil {
		return s, err
	}
	entry, err := b.bucket.Get(ctx, subscriptionKey(topic, name))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(entry.Value(), &s)
}
