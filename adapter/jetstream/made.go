package jetstream

import (
	"context"
	"fmt"
)

// Made says when a topic, and the bucket with its subscriptions, were made: afterwards nothing of what was before is there.
func (b *broker) Made(ctx context.Context, topic string) (string, error) {
	bounded, leave, err := b.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	made := ""
	for _, name := range []string{streamName(b.source.prefix, topic), "KV_" + b.source.prefix} {
		stream, err := b.js.Stream(bounded, name)
		if err != nil {
			return "", fmt.Errorf("topic %s: %w", topic, b.bound(ctx, err))
		}
		made += fmt.Sprintf("/%d", stream.CachedInfo().Created.UnixNano())
	}
	return made[1:], nil
}
