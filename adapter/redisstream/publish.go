package redisstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// chunk is how many messages one transaction publishes, chunkBytes about how many bytes.
const (
	chunk      = 512
	chunkBytes = 4 << 20
)

// Publish publishes messages, up to 512 in one transaction: all of them or none.
func (b *Broker) Publish(ctx context.Context, name string, messages []carillon.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if err := clients.CheckSizes(messages); err != nil {
		return err
	}
	ctx, end, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	t, err := b.with(ctx, name, "")
	if err != nil {
		return carillon.Unconfirmed(0, len(messages), err)
	}
	for from := 0; from < len(messages); {
		until, size := from, 0
		for until < len(messages) && until-from < chunk && size < chunkBytes {
			size += len(messages[until].Payload)
			until++
		}
		published, err := b.publishChunk(ctx, t, messages[from:until])
		if err != nil {
			return carillon.Unconfirmed(from+published, len(messages), err)
		}
		from = until
	}
	b.trimAtTimes(ctx, t)
	return nil
}

// publishChunk returns how many were published for sure.
func (b *Broker) publishChunk(ctx context.Context, t *topic, messages []carillon.Message) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, unavailable(ctx, err)
	}
	if t.bounded {
		return b.publishBounded(ctx, t, messages)
	}
	if len(messages) == 1 && b.source.replicas == 0 {
		if err := b.client.XAdd(ctx, b.entry(t, &messages[0])).Err(); err != nil {
			return 0, b.notPublished(ctx, t, err)
		}
		return 1, nil
	}
	pipeline := b.client.TxPipeline()
	for i := range messages {
		pipeline.XAdd(ctx, b.entry(t, &messages[i]))
	}
	if b.source.replicas > 0 {
		if err := b.publishReplicated(ctx, t, pipeline); err != nil {
			return 0, err
		}
		return len(messages), nil
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return 0, b.notPublished(ctx, t, err)
	}
	return len(messages), nil
}

func (b *Broker) entry(t *topic, m *carillon.Message) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: t.streams[t.partition(m.Key)], NoMkStream: true, Values: encode(m)}
}

// publishReplicated publishes on one connection and then waits there for the replicas.
func (b *Broker) publishReplicated(ctx context.Context, t *topic, commands redis.Pipeliner) error {
	wait := b.source.timeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline) * 9 / 10
	}
	all := b.client.Pipeline()
	all.Do(ctx, "multi")
	for _, command := range commands.Cmds() {
		all.Do(ctx, command.Args()...)
	}
	done := all.Do(ctx, "exec")
	reached := all.Do(ctx, "wait", b.source.replicas, max(wait.Milliseconds(), 1))
	if _, err := all.Exec(ctx); err != nil {
		return b.notPublished(ctx, t, err)
	}
	added, err := done.Slice()
	if err != nil {
		return b.notPublished(ctx, t, err)
	}
	for _, id := range added {
		if id == nil {
			return b.notPublished(ctx, t, redis.Nil)
		}
	}
	if count, err := reached.Int(); err != nil || count < b.source.replicas {
		return fmt.Errorf("redis: %d of %d replicas have the messages: %w", count, b.source.replicas, carillon.ErrUnavailable)
	}
	return nil
}

// notPublished says why. A stream that is not there makes the client forget the topic.
func (b *Broker) notPublished(ctx context.Context, t *topic, err error) error {
	if errors.Is(err, redis.Nil) {
		b.forget(t.name)
		return fmt.Errorf("topic %q: %w", t.name, carillon.ErrNotFound)
	}
	return unavailable(ctx, err)
}

// publishBounded publishes as many as there is room for.
func (b *Broker) publishBounded(ctx context.Context, t *topic, messages []carillon.Message) (int, error) {
	var arguments []any
	for i := range messages {
		fields := encode(&messages[i])
		arguments = append(append(arguments, t.partition(messages[i].Key), len(fields)), fields...)
	}
	result, err := b.run(ctx, b.scripts.publish, []string{b.names.topic(t.name)}, arguments...)
	if err != nil {
		return 0, err
	}
	switch published, _ := result.(int64); {
	case published < 0:
		return 0, b.notPublished(ctx, t, redis.Nil)
	case int(published) < len(messages):
		return int(published), fmt.Errorf("topic %q: %w", t.name, carillon.ErrTopicFull)
	}
	return len(messages), nil
}

// trimEvery is how often a client that publishes sees to what has grown old, for there may be no consumers.
const trimEvery = 30 * time.Second

func (b *Broker) trimAtTimes(ctx context.Context, t *topic) {
	last, now := t.trimmed.Load(), time.Now().Unix()
	if time.Duration(now-last)*time.Second < trimEvery || !t.trimmed.CompareAndSwap(last, now) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	b.lifetime.Go(func() {
		all := make([]any, t.partitions)
		for p := range all {
			all[p] = p
		}
		b.trim(ctx, t, all)
	})
}

// trim trims partitions, as it will be tried again.
func (b *Broker) trim(ctx context.Context, t *topic, partitions []any) {
	if _, err := b.run(ctx, b.scripts.trim, []string{b.names.topic(t.name)}, partitions...); err != nil && ctx.Err() == nil {
		b.heals(err, "trimming", t.name)
	}
}
