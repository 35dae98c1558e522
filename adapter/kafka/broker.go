package kafka

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// broker is an open cluster.
type broker struct {
	servers     Servers
	replication int
	shortest    time.Duration // of sessions, as the cluster has it
	longest     time.Duration
	client      *kgo.Client
	admin       *kadm.Client
	window      *window
	registry    registry

	lifetime clients.Lifetime[*subscription]

	mu     sync.Mutex
	topics map[string]*topic
}

// The sessions that a cluster takes unless it says otherwise.
const (
	shortestSession = 6 * time.Second
	longestSession  = 30 * time.Minute
)

func open(ctx context.Context, servers Servers) (*broker, error) {
	within, stop := context.WithTimeout(ctx, servers.settings.timeout)
	defer stop()
	acks := []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks())}
	if servers.settings.leaderConfirms {
		acks = []kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}
	}
	client, err := kgo.NewClient(slices.Concat(servers.clientOptions(), acks, []kgo.Opt{
		kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(maxRecord),
		kgo.MaxBufferedRecords(1 << 30), // the window bounds them
		kgo.ProduceRequestTimeout(servers.settings.timeout / 2),
		kgo.UnknownTopicRetries(20),
	})...)
	if err != nil {
		return nil, carillon.Invalidf("settings of the Kafka client", "%v", err)
	}
	b := &broker{
		servers: servers, replication: servers.settings.replication, shortest: shortestSession, longest: longestSession,
		client: client, admin: kadm.NewClient(client), window: newWindow(windowBytes), topics: make(map[string]*topic),
	}
	if err := b.learn(within); err != nil {
		client.Close()
		return nil, failure(ctx, err)
	}
	return b, nil
}

// learn asks the cluster what it is.
func (b *broker) learn(ctx context.Context) error {
	if err := b.client.Ping(ctx); err != nil {
		return err
	}
	cluster, err := b.admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if b.replication == 0 {
		b.replication = 1
		if len(cluster.Brokers) >= 3 {
			b.replication = 3
		}
	}
	if len(cluster.Brokers) == 0 {
		return nil
	}
	configs, err := b.admin.DescribeBrokerConfigs(ctx, cluster.Brokers[0].NodeID)
	if err != nil {
		return ctx.Err() // whoever may not read them has the defaults
	}
	for _, config := range configs {
		for _, entry := range config.Configs {
			milliseconds, err := strconv.ParseInt(entry.MaybeValue(), 10, 64)
			switch {
			case err != nil:
			case entry.Key == "group.min.session.timeout.ms":
				b.shortest = time.Duration(milliseconds) * time.Millisecond
			case entry.Key == "group.max.session.timeout.ms":
				b.longest = time.Duration(milliseconds) * time.Millisecond
			}
		}
	}
	return nil
}

// Capabilities implements [carillon.Broker].
func (b *broker) Capabilities() carillon.Capabilities {
	confirm := carillon.ConfirmedBySystem
	if b.replication >= 3 && !b.servers.settings.lossWithLeader {
		confirm = carillon.ConfirmedReplicated
	}
	return carillon.Capabilities{
		Broker: "Kafka", Confirm: confirm, Ack: carillon.AckWatermark, Order: carillon.OrderShared,
		OrderedPublish: !b.servers.settings.leaderConfirms, Revocation: true, Probe: true, Retained: true,
		MaxPayload: carillon.MaxPayload, Losses: b.servers.settings.losses(),
	}
}

// enter begins a call of the port. The context it returns ends with the adapter's time-out; leave ends the call.
func (b *broker) enter(ctx context.Context) (within context.Context, leave func(), err error) {
	within, leave, err = b.lifetime.Begin(ctx, b.servers.settings.timeout, context.DeadlineExceeded)
	if err == nil && ctx.Err() != nil {
		leave()
		return nil, nil, ctx.Err()
	}
	return within, leave, err
}

// Close implements [carillon.Broker].
func (b *broker) Close() error {
	return b.lifetime.Close(func() error {
		b.client.Close()
		return nil
	})
}
