package kafka_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestUnsafeTopic declares and uses topics that somebody else made so that they lose confirmed messages.
func TestUnsafeTopic(t *testing.T) {
	t.Parallel()
	seeds := cluster(t)
	one, two := "1", "2"
	tests := []struct {
		name     string
		replicas int16
		inSync   *string
		options  []kafka.Option
		want     error
		losses   int
		confirm  carillon.Confirmation
	}{
		{name: "as it is to be", replicas: 3, inSync: &two, confirm: carillon.ConfirmedReplicated},
		{name: "one replica confirms", replicas: 3, inSync: &one, want: carillon.ErrUnsafe, confirm: carillon.ConfirmedReplicated},
		{
			name: "one replica confirms, allowed", replicas: 3, inSync: &one, options: []kafka.Option{kafka.AllowLossWithLeader()},
			losses: 1, confirm: carillon.ConfirmedBySystem,
		},
		{name: "too few replicas", replicas: 1, want: carillon.ErrUnsafe, confirm: carillon.ConfirmedReplicated},
		{name: "as few replicas as wanted", replicas: 1, options: []kafka.Option{kafka.Replication(1)}, confirm: carillon.ConfirmedBySystem},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			prefix := unique()
			configs := make(map[string]*string)
			if test.inSync != nil {
				configs["min.insync.replicas"] = test.inSync
			}
			admin := kadm.NewClient(raw(t, seeds))
			if _, err := admin.CreateTopic(t.Context(), 8, test.replicas, configs, prefix+"orders"); err != nil {
				t.Fatal(err)
			}
			broker := traffic.Open(t, kafka.Brokers(seeds, append(test.options, kafka.Prefix(prefix))...))
			if err := broker.Publish(t.Context(), "orders", numbered(0, 1)); !errors.Is(err, test.want) {
				t.Errorf("publishing gives error %v, want %v", err, test.want)
			}
			if err := broker.Declare(t.Context(), carillon.Topic{Name: "orders"}); !errors.Is(err, test.want) {
				t.Errorf("declaring gives error %v, want %v", err, test.want)
			}
			if can := broker.Capabilities(); len(can.Losses) != test.losses || can.Confirm != test.confirm {
				t.Errorf("it confirms %v, with the losses %q", can.Confirm, can.Losses)
			}
		})
	}
}

// TestTopicSettings looks at the topics that are made, and at what is raised in those that are there.
func TestTopicSettings(t *testing.T) {
	t.Parallel()
	seeds, prefix := cluster(t), unique()
	admin := kadm.NewClient(raw(t, seeds))
	settings := func(topic string) map[string]string {
		configs, err := admin.DescribeTopicConfigs(t.Context(), prefix+topic)
		if err != nil {
			t.Fatal(err)
		}
		values := make(map[string]string)
		for _, config := range configs[0].Configs {
			switch config.Key {
			case "retention.ms", "max.message.bytes", "min.insync.replicas", "cleanup.policy", "message.timestamp.type":
				values[config.Key] = config.MaybeValue()
			}
		}
		return values
	}
	few, much := "1000", "-1"
	two := "2"
	for topic, keep := range map[string]*string{"short": &few, "long": &much} {
		configs := map[string]*string{"retention.ms": keep, "min.insync.replicas": &two, "max.message.bytes": &few}
		if _, err := admin.CreateTopic(t.Context(), 8, 3, configs, prefix+topic); err != nil {
			t.Fatal(err)
		}
	}
	broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
	hour := strconv.Itoa(int(time.Hour / time.Millisecond))
	size := strconv.Itoa(carillon.MaxPayload + 68<<10)
	for topic, want := range map[string]map[string]string{
		"new": {
			"retention.ms": hour, "max.message.bytes": size, "min.insync.replicas": "2", "cleanup.policy": "delete",
			"message.timestamp.type": "LogAppendTime",
		},
		"short": {"retention.ms": hour, "max.message.bytes": size},
		"long":  {"retention.ms": "-1", "max.message.bytes": size},
	} {
		if err := broker.Declare(t.Context(), carillon.Topic{Name: topic, Retention: time.Hour}); err != nil {
			t.Fatal(err)
		}
		got := settings(topic)
		for name := range got {
			if _, ok := want[name]; !ok {
				delete(got, name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("topic %q: %s", topic, diff)
		}
	}
}
