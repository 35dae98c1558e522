package jetstream

import (
	"context"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// trimming removes what all subscriptions have settled from a topic with a limit, until stop is closed: only what waits counts.
func (s *subscription) trimming() {
	removed := make([]uint64, len(s.topic.subjects))
	for {
		select {
		case <-s.stop:
			return
		case <-s.trim:
		}
		ctx, cancel := s.broker.attempt(s.broker.source.timeout)
		if err := s.broker.trim(ctx, s.topic, removed); err != nil {
			s.log.Debug("removing settled messages failed", slog.Any("error", err))
		}
		cancel()
	}
}

func (b *broker) trim(ctx context.Context, t topic, removed []uint64) error {
	stream, err := b.js.Stream(ctx, t.stream)
	if err != nil || stream.CachedInfo().State.Msgs == 0 {
		return err
	}
	keys, err := b.bucket.ListKeysFiltered(ctx, "subscription."+token(t.name)+".*")
	if err != nil {
		return err
	}
	var floors []uint64
	for key := range keys.Keys() {
		positions, err := b.positions(ctx, t, strings.ReplaceAll(lastToken(key), "=", "."))
		if err != nil {
			return err
		}
		if floors == nil {
			floors = make([]uint64, len(positions))
			for number := range floors {
				floors[number] = positions[number].Floor
			}
		}
		for number := range floors {
			floors[number] = min(floors[number], positions[number].Floor)
		}
	}
	for number, floor := range floors {
		if floor <= removed[number] {
			continue
		}
		err := stream.Purge(ctx, jetstream.WithPurgeSubject(t.subjects[number]), jetstream.WithPurgeSequence(floor+1))
		if err != nil {
			return err
		}
		removed[number] = floor
	}
	return nil
}
