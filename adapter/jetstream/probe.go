package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
)

// Probe counts what waits. What is with consumers of other processes is known as they wrote it last, a fifth of a second ago at most
// while there is traffic.
func (b *broker) Probe(ctx context.Context, topic, name string) (carillon.Backlog, error) {
	bounded, leave, err := b.enter(ctx)
	if err != nil {
		return carillon.Backlog{}, err
	}
	defer leave()
	backlog, err := b.probe(bounded, topic, name)
	if err != nil {
		return carillon.Backlog{}, fmt.Errorf("subscription %s of topic %s: %w", name, topic, b.bound(ctx, err))
	}
	return backlog, nil
}

func (b *broker) probe(ctx context.Context, topicName, name string) (carillon.Backlog, error) {
	var backlog carillon.Backlog
	t, err := b.topic(ctx, topicName)
	if err != nil {
		return backlog, err
	}
	positions, err := b.positions(ctx, t, name)
	if err != nil {
		return backlog, err
	}
	for number, at := range positions {
		through, done := at.Through, int64(0)
		if at.Unsettled == 0 {
			through, done = at.Floor, at.done()
		}
		waiting, err := b.count(ctx, t, number, through)
		if err != nil {
			return backlog, err
		}
		backlog.Waiting += max(0, waiting-done)
		backlog.Unsettled += at.Unsettled
		if waiting-done+at.Unsettled == 0 {
			continue
		}
		since, err := b.oldest(ctx, t, number, at.Floor)
		if err != nil {
			return backlog, err
		}
		backlog.Oldest = max(backlog.Oldest, since)
	}
	return backlog, nil
}

// positions returns how far each partition of a subscription has come.
func (b *broker) positions(ctx context.Context, t topic, name string) ([]position, error) {
	first, err := b.first(ctx, t, name)
	if err != nil {
		return nil, err
	}
	topicToken, nameToken := token(t.name), token(name)
	watcher, err := b.bucket.WatchFiltered(ctx,
		[]string{"member." + topicToken + "." + nameToken + ".*", "claim." + topicToken + "." + nameToken + ".*"}, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = watcher.Stop() }()
	members, claims := make(map[string]member), make(map[int]claim)
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				return nil, carillon.ErrUnavailable
			case entry == nil:
				positions := make([]position, len(t.subjects))
				for number := range positions {
					c, ok := claims[number]
					at := standing(c, ok, members, number, first)
					if c.Owner == "" {
						at.Unsettled = 0
					}
					positions[number] = b.local(t, name, number, at)
				}
				return positions, nil
			case strings.HasPrefix(entry.Key(), "member."):
				if m, err := parseMember(entry, time.Time{}); err == nil {
					members[lastToken(entry.Key())] = m
				}
			default:
				number, err := strconv.Atoi(lastToken(entry.Key()))
				if c, bad := parseClaim(entry); errors.Join(err, bad) == nil {
					claims[number] = c
				}
			}
		}
	}
}

// local prefers what a consumer of this process knows.
func (b *broker) local(t topic, name string, number int, at position) position {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subscriptions {
		if s.topic.name != t.name || s.name != name {
			continue
		}
		s.mu.Lock()
		if p := s.held[number]; p != nil {
			at = p.position()
		}
		s.mu.Unlock()
	}
	return at
}

// count returns how many messages of a partition stand behind one.
func (b *broker) count(ctx context.Context, t topic, number int, after uint64) (int64, error) {
	name := rand.Text()
	consumer, err := b.js.CreateConsumer(ctx, t.stream, jetstream.ConsumerConfig{
		Name: name, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, FilterSubject: t.subjects[number],
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, InactiveThreshold: 5 * time.Second,
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = b.js.DeleteConsumer(context.WithoutCancel(ctx), t.stream, name) }()
	return int64(consumer.CachedInfo().NumPending), nil
}

// oldest returns how old the first message of a partition behind another is, 0 when there is none.
func (b *broker) oldest(ctx context.Context, t topic, number int, after uint64) (time.Duration, error) {
	stream, err := b.js.Stream(ctx, t.stream)
	if err != nil {
		return 0, err
	}
	msg, err := stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(t.subjects[number]))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return age(msg.Time), nil
}
