package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/carillon-go/carillon"
)

// topic is a topic of the cluster.
type topic struct {
	name       string // the cluster's
	partitions int

	turn atomic.Uint32 // of messages without a key

	// stale counts, for each partition, the messages on their way that nobody waits for any more.
	stale   []atomic.Int64
	mu      sync.Mutex
	changed chan struct{} // closed when a count falls to 0
}

func newTopic(name string, partitions int) *topic {
	return &topic{name: name, partitions: partitions, stale: make([]atomic.Int64, partitions), changed: make(chan struct{})}
}

// The settings of topics that matter here.
const (
	retention    = "retention.ms"
	largest      = "max.message.bytes"
	minInSync    = "min.insync.replicas"
	unclean      = "unclean.leader.election.enable"
	cleanup      = "cleanup.policy"
	timestamps   = "message.timestamp.type"
	appendTime   = "LogAppendTime" // so that retention begins when the message is there, whatever a producer's clock says
	deleteOld    = "delete"
	keptForGood  = "-1"
	uncleanIsOn  = "true"
	maxHeaders   = 64 << 10
	maxRecord    = carillon.MaxPayload + maxHeaders
	largestBatch = maxRecord + 4<<10 // with what Kafka adds
)

// names returns how the cluster may call a topic: plainly, or escaped where the plain name is too much like another's.
func (b *broker) names(name string) (plainly, escaped string) {
	prefix := b.servers.settings.prefix
	return prefix + name, prefix + strings.NewReplacer(".", "D", "_", "U").Replace(name)
}

// known returns a topic this client has used before.
func (b *broker) known(name string) *topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics[name]
}

func (b *broker) remember(name string, t *topic) *topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	if there := b.topics[name]; there != nil && there.name == t.name && there.partitions == t.partitions {
		return there
	}
	b.topics[name] = t
	return t
}

// forget makes the next use of a topic ask the cluster again.
func (b *broker) forget(name string, t *topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[name] == t {
		delete(b.topics, name)
	}
}

// lookup finds a topic in the cluster, and refuses one that is not safe; [carillon.ErrNotFound] when nobody declared it.
func (b *broker) lookup(ctx context.Context, name string) (*topic, error) {
	if t := b.known(name); t != nil {
		return t, nil
	}
	var detail *kadm.TopicDetail
	err := persist(ctx, func() (err error) {
		if detail, err = b.find(ctx, name); err != nil || detail == nil {
			return err
		}
		return b.inspect(ctx, detail, 0)
	})
	if err == nil && detail == nil {
		err = carillon.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("topic %q: %w", name, err)
	}
	return b.remember(name, newTopic(detail.Topic, len(detail.Partitions))), nil
}

// find returns what the cluster says of a topic, nil when it has none.
func (b *broker) find(ctx context.Context, name string) (*kadm.TopicDetail, error) {
	plainly, escaped := b.names(name)
	ask := []string{plainly, escaped}
	if plainly == escaped {
		ask = ask[:1]
	}
	details, err := b.admin.ListTopics(ctx, ask...)
	if err != nil {
		return nil, err
	}
	for _, candidate := range ask {
		detail, ok := details[candidate]
		switch {
		case !ok, errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
		case detail.Err != nil:
			return nil, detail.Err
		default:
			return &detail, nil
		}
	}
	return nil, nil
}

// inspect refuses a topic that may lose confirmed messages, and raises its limits: its messages may be as large as ours, and stay for
// at least so many milliseconds.
func (b *broker) inspect(ctx context.Context, detail *kadm.TopicDetail, keep int64) error {
	configs, err := b.admin.DescribeTopicConfigs(ctx, detail.Topic)
	if err != nil {
		return err
	}
	values := make(map[string]string)
	for _, config := range configs {
		if config.Err != nil {
			return config.Err
		}
		for _, entry := range config.Configs {
			values[entry.Key] = entry.MaybeValue()
		}
	}
	if err := b.safe(detail, values); err != nil {
		return err
	}
	var raise []kadm.AlterConfig
	if below(values[largest], largestBatch) {
		raise = append(raise, setTo(largest, strconv.Itoa(largestBatch)))
	}
	if values[retention] != keptForGood && below(values[retention], keep) {
		raise = append(raise, setTo(retention, strconv.FormatInt(keep, 10)))
	}
	if len(raise) == 0 {
		return nil
	}
	answers, err := b.admin.AlterTopicConfigs(ctx, raise, detail.Topic)
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if answer.Err != nil {
			return fmt.Errorf("raise its limits: %w", answer.Err)
		}
	}
	return nil
}

func setTo(name, value string) kadm.AlterConfig {
	return kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value}
}

// below reports whether a setting is a number below a limit.
func below(value string, limit int64) bool {
	number, err := strconv.ParseInt(value, 10, 64)
	return err == nil && number < limit
}

// safe refuses a topic that may lose confirmed messages.
func (b *broker) safe(detail *kadm.TopicDetail, values map[string]string) error {
	if b.servers.settings.lossWithLeader {
		return nil
	}
	replicas := 1 << 10
	for _, partition := range detail.Partitions {
		replicas = min(replicas, len(partition.Replicas))
	}
	switch {
	case replicas < b.replication:
		return fmt.Errorf("it has %d of %d replicas: add the others, or say Replication(%d): %w", replicas, b.replication, replicas, carillon.ErrUnsafe)
	case replicas >= 3 && below(values[minInSync], 2):
		return fmt.Errorf("its min.insync.replicas is 1, so that one replica of %d confirms alone: set it to 2, or allow it by AllowLossWithLeader: %w",
			replicas, carillon.ErrUnsafe)
	case values[unclean] == uncleanIsOn:
		return fmt.Errorf("its unclean.leader.election.enable makes leaders of replicas that miss confirmed messages: set it to false, or allow it by "+
			"AllowLossWithLeader: %w", carillon.ErrUnsafe)
	}
	return nil
}

// create makes a topic and returns its name; kerr.TopicAlreadyExists when somebody was faster.
func (b *broker) create(ctx context.Context, name, escaped string, partitions int, keep string) (string, error) {
	size := strconv.Itoa(largestBatch)
	policy, clock := deleteOld, appendTime
	configs := map[string]*string{retention: &keep, largest: &size, cleanup: &policy, timestamps: &clock}
	if b.replication >= 3 {
		majority := strconv.Itoa(b.replication/2 + 1)
		configs[minInSync] = &majority
	}
	for _, candidate := range []string{name, escaped} {
		answer, err := b.admin.CreateTopic(ctx, int32(partitions), int16(b.replication), configs, candidate)
		if errors.Is(err, kerr.InvalidTopicException) && name != escaped { // its name is too much like another's
			continue
		}
		if err != nil && answer.ErrMessage != "" && !errors.Is(err, kerr.TopicAlreadyExists) {
			err = fmt.Errorf("%w: %s", err, answer.ErrMessage)
		}
		return candidate, err
	}
	return "", carillon.Invalidf(fmt.Sprintf("topic %q", name), "Kafka takes its name for another topic's")
}

// giveUp says that nobody waits any more for a message of a partition that is on its way, and arrived that its fate is known.
func (t *topic) giveUp(partition int32) { t.stale[partition].Add(1) }

func (t *topic) arrived(partition int32) {
	if t.stale[partition].Add(-1) == 0 {
		t.mu.Lock()
		defer t.mu.Unlock()
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// clear waits until no message of a partition is on its way that nobody waits for, so that those to come stay behind those.
func (t *topic) clear(ctx context.Context, partition int32) error {
	for t.stale[partition].Load() > 0 {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if t.stale[partition].Load() == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// partition chooses where a message goes.
func (t *topic) partition(key string) int32 {
	if key != "" {
		return int32(carillon.Partition(key, t.partitions))
	}
	for range t.partitions {
		next := int32(t.turn.Add(1) % uint32(t.partitions))
		if t.stale[next].Load() == 0 {
			return next
		}
	}
	return int32(t.turn.Load() % uint32(t.partitions))
}
