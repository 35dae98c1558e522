package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
)

// registry is the topic that holds where each subscription began. The first record of a group counts, so that services that declare a
// subscription at the same time agree, and one that nobody consumed for long is not begun anew.
type registry struct {
	mu     sync.Mutex
	read   int64 // the offset up to which it is read
	starts map[string][]int64
}

// registryName cannot be that of a topic of ours, which has small letters only.
const registryName = "Carillon-subscriptions"

// entry is a record of the registry; its key is the group.
type entry struct {
	Starts []int64 `json:"starts"` // the offset of each partition
}

// register returns where groups of a topic begin, and makes those begin at its end now that nobody has declared before.
func (b *broker) register(ctx context.Context, t *topic, groups []string) (map[string][]int64, error) {
	r := &b.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := b.readRegistry(ctx, true); err != nil {
		return nil, err
	}
	var ends []int64
	var records []*kgo.Record
	for _, group := range groups {
		if _, ok := r.starts[group]; ok {
			continue
		}
		if ends == nil {
			var err error
			if ends, err = b.ends(ctx, t); err != nil {
				return nil, err
			}
		}
		value, err := json.Marshal(entry{Starts: ends})
		if err != nil {
			return nil, err
		}
		records = append(records, &kgo.Record{Topic: b.servers.settings.prefix + registryName, Key: []byte(group), Value: value})
	}
	if len(records) > 0 {
		if err := b.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return nil, err
		}
		if err := b.readRegistry(ctx, false); err != nil {
			return nil, err
		}
	}
	starts := make(map[string][]int64, len(groups))
	for _, group := range groups {
		found, ok := r.starts[group]
		if !ok {
			return nil, fmt.Errorf("group %q is not in the registry yet: %w", group, carillon.ErrUnavailable)
		}
		starts[group] = found
	}
	return starts, nil
}

// registered returns where a group begins, nil when nobody declared it.
func (b *broker) registered(ctx context.Context, group string) ([]int64, error) {
	b.registry.mu.Lock()
	defer b.registry.mu.Unlock()
	err := b.readRegistry(ctx, false)
	return b.registry.starts[group], err
}

// readRegistry reads what is new in the registry, and makes a registry where there is none, if it is to be created.
func (b *broker) readRegistry(ctx context.Context, create bool) error {
	name := b.servers.settings.prefix + registryName
	end, err := b.end(ctx, name)
	if errors.Is(err, kerr.UnknownTopicOrPartition) && create {
		if _, err = b.create(ctx, name, name, 1, keptForGood); err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			_, err = b.appear(ctx, name)
		}
		end = 0
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil
	}
	r := &b.registry
	if err != nil || end <= r.read {
		return err
	}
	client, err := kgo.NewClient(slices.Concat(b.servers.clientOptions(), []kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().At(r.read)}}),
		kgo.FetchMaxWait(100 * time.Millisecond),
	})...)
	if err != nil {
		return err
	}
	defer client.Close()
	for r.read < end {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) { r.note(record) })
	}
	return nil
}

func (r *registry) note(record *kgo.Record) {
	r.read = record.Offset + 1
	group := string(record.Key)
	if _, ok := r.starts[group]; ok {
		return
	}
	var e entry
	if json.Unmarshal(record.Value, &e) != nil {
		return
	}
	if r.starts == nil {
		r.starts = make(map[string][]int64)
	}
	r.starts[group] = e.Starts
}

// end returns the offset behind the last record of a topic of one partition.
func (b *broker) end(ctx context.Context, name string) (int64, error) {
	listed, err := b.admin.ListEndOffsets(ctx, name)
	if err != nil {
		return 0, err
	}
	end, ok := listed.Lookup(name, 0)
	if !ok {
		return 0, kerr.UnknownTopicOrPartition
	}
	return end.Offset, end.Err
}

// ends returns the offsets behind the last records of a topic.
func (b *broker) ends(ctx context.Context, t *topic) ([]int64, error) {
	listed, err := b.admin.ListEndOffsets(ctx, t.name)
	if err != nil {
		return nil, err
	}
	ends := make([]int64, t.partitions)
	for partition := range ends {
		end, ok := listed.Lookup(t.name, int32(partition))
		if !ok || end.Err != nil {
			return nil, fmt.Errorf("end of partition %d: %w", partition, errors.Join(carillon.ErrUnavailable, end.Err))
		}
		ends[partition] = end.Offset
	}
	return ends, nil
}
