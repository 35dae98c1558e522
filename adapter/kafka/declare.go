package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/carillon-go/carillon"
)

// Declare implements [carillon.Broker].
func (b *broker) Declare(ctx context.Context, topics ...carillon.Topic) error {
	within, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, t := range topics {
		if err := t.Check(); err != nil {
			return err
		}
		if t.Limit > 0 {
			return fmt.Errorf("topic %q: Kafka keeps no limit on how many messages wait: %w", t.Name, carillon.ErrUnsupported)
		}
	}
	for _, t := range topics {
		if err := persist(within, func() error { return b.declare(within, t) }); err != nil {
			return failure(ctx, fmt.Errorf("declare topic %q: %w", t.Name, err))
		}
	}
	return nil
}

func (b *broker) declare(ctx context.Context, wanted carillon.Topic) error {
	given := wanted.Partitions
	wanted = wanted.WithDefaults()
	detail, err := b.make(ctx, wanted)
	if err != nil {
		return err
	}
	if given != 0 && given != len(detail.Partitions) {
		return fmt.Errorf("it has %d partitions, not %d: %w", len(detail.Partitions), given, carillon.ErrConflict)
	}
	if err := b.inspect(ctx, detail, wanted.Retention.Milliseconds()); err != nil {
		return err
	}
	t := b.remember(wanted.Name, newTopic(detail.Topic, len(detail.Partitions)))
	missing, err := b.missing(ctx, t, wanted.Subscriptions)
	if err != nil || len(missing) == 0 {
		return err
	}
	starts, err := b.register(ctx, t, missing)
	if err != nil {
		return err
	}
	for _, group := range missing {
		if err := b.begin(ctx, t, group, starts[group]); err != nil {
			return fmt.Errorf("group %q: %w", group, err)
		}
	}
	return nil
}

// make finds a topic or makes it.
func (b *broker) make(ctx context.Context, wanted carillon.Topic) (*kadm.TopicDetail, error) {
	detail, err := b.find(ctx, wanted.Name)
	if err != nil || detail != nil {
		return detail, err
	}
	name, escaped := b.names(wanted.Name)
	created, err := b.create(ctx, name, escaped, wanted.Partitions, strconv.FormatInt(wanted.Retention.Milliseconds(), 10))
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return nil, err
	}
	return b.appear(ctx, created)
}

// appear waits until all the cluster knows a new topic.
func (b *broker) appear(ctx context.Context, name string) (*kadm.TopicDetail, error) {
	for tries := 1; ; tries++ {
		details, err := b.admin.ListTopics(ctx, name)
		if err != nil {
			return nil, err
		}
		detail := details[name]
		ready := detail.Err == nil && len(detail.Partitions) > 0
		for _, partition := range detail.Partitions {
			ready = ready && partition.Err == nil && partition.Leader >= 0
		}
		if ready {
			return &detail, nil
		}
		if err := pause(ctx, backoff(tries)); err != nil {
			return nil, err
		}
	}
}

// group names the consumer group of a subscription.
func (t *topic) group(subscription string) string { return t.name + ":" + subscription }

// missing returns the groups of those subscriptions that have no offsets.
func (b *broker) missing(ctx context.Context, t *topic, subscriptions []string) ([]string, error) {
	if len(subscriptions) == 0 {
		return nil, nil
	}
	groups := make([]string, len(subscriptions))
	for i, subscription := range subscriptions {
		groups[i] = t.group(subscription)
	}
	var missing []string
	committed := b.admin.FetchManyOffsets(ctx, groups...)
	for _, group := range groups {
		answer, ok := committed[group]
		if !ok {
			return nil, fmt.Errorf("the cluster does not answer for group %q: %w", group, carillon.ErrUnavailable)
		}
		if answer.Err != nil && !errors.Is(answer.Err, kerr.GroupIDNotFound) {
			return nil, answer.Err
		}
		if !t.complete(answer.Fetched) {
			missing = append(missing, group)
		}
	}
	return missing, nil
}

// complete reports whether a group has an offset for each partition.
func (t *topic) complete(committed kadm.OffsetResponses) bool {
	for partition := range t.partitions {
		offset, ok := committed.Lookup(t.name, int32(partition))
		if !ok || offset.Err != nil || offset.At < 0 {
			return false
		}
	}
	return true
}

// begin commits the offsets a group begins at, where it has none.
func (b *broker) begin(ctx context.Context, t *topic, group string, starts []int64) error {
	there, err := b.admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return err
	}
	var offsets kadm.Offsets
	for partition, start := range starts[:min(len(starts), t.partitions)] {
		if offset, ok := there.Lookup(t.name, int32(partition)); !ok || offset.Err != nil || offset.At < 0 {
			offsets.AddOffset(t.name, int32(partition), start, -1)
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	committed, err := b.admin.CommitOffsets(ctx, group, offsets)
	if err == nil {
		err = committed.Error()
	}
	if err == nil || !errors.Is(err, kerr.UnknownMemberID) {
		return err
	}
	return fmt.Errorf("it has consumers, and no offsets yet: %w: %w", carillon.ErrUnavailable, err)
}
