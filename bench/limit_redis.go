package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/carillon-go/carillon/internal/ids"
)

// handRedis is a Redis stream by hand: a caller's messages in one pipeline; a consumer group whose only consumer acknowledges what it
// handled with its next read.
type handRedis struct {
	client  *redis.Client
	stream  string
	stop    context.CancelFunc
	running sync.WaitGroup
	failure error
}

func dialRedis(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("the URL of Redis cannot be read")
	}
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.PoolSize = 300
	return redis.NewClient(options), nil
}

func openHandRedis(ctx context.Context, url, name string, handle receiver) (*handRedis, error) {
	client, err := dialRedis(url)
	if err != nil {
		return nil, err
	}
	if err := client.XGroupCreateMkStream(ctx, name, "shipping", "0").Err(); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	consuming, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &handRedis{client: client, stream: name, stop: stop}
	h.running.Go(func() { h.failure = h.consume(consuming, handle) })
	return h, nil
}

func (h *handRedis) consume(ctx context.Context, handle receiver) error {
	var handled []string
	for ctx.Err() == nil {
		pipe := h.client.Pipeline()
		if len(handled) > 0 {
			pipe.XAck(ctx, h.stream, "shipping", handled...)
		}
		read := pipe.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: "shipping", Consumer: "one", Streams: []string{h.stream, ">"}, Count: receiveAtOnce, Block: 100 * time.Millisecond,
		})
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return unlessOver(ctx, err)
		}
		handled = handled[:0]
		for _, stream := range read.Val() {
			for _, entry := range stream.Messages {
				payload, _ := entry.Values["payload"].(string)
				if err := handle([]byte(payload)); err != nil {
					return err
				}
				handled = append(handled, entry.ID)
			}
		}
	}
	return nil
}

func (h *handRedis) send(ctx context.Context, _ int, batch []parcel) error {
	if len(batch) == 1 {
		return h.client.XAdd(ctx, h.entry(&batch[0])).Err()
	}
	pipe := h.client.Pipeline()
	for i := range batch {
		pipe.XAdd(ctx, h.entry(&batch[i]))
	}
	_, err := pipe.Exec(ctx)
	return err
}

func (h *handRedis) entry(p *parcel) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: h.stream, Values: []any{"id", ids.New(), headerType, orderPlaced, "key", p.key, "payload", p.payload}}
}

func (h *handRedis) close() error {
	h.stop()
	h.running.Wait()
	return errors.Join(h.failure, h.client.Close())
}
