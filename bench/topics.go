package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/adapter/redisstream"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

// passage is a contest from publishing to the handler over one broker: the product, the same by hand, and rivals. Each has 256 messages
// outstanding, and the first two one message too.
type passage struct {
	broker string
	// hand is the limit; floor is what the product is to reach of its rate, ceiling of its latency with one message outstanding.
	hand           waySide
	floor, ceiling float64
	product        waySide
	rivals         []waySide
	close          func() error
}

// waySide is a side of a passage. of is what a rival is called in a claim, floor how many times its rate the product is to reach.
type waySide struct {
	name, what string
	traffic    traffic // zero is inBatches
	open       func(ctx context.Context, t traffic, handle receiver) (carrier, error)
	floor      float64
}

// productWay says what the product does in a passage, wireWay what it does over a server.
const (
	productWay = "the broker's port: Publish by 4 callers with 64 messages each; Receive, the handler, Ack"
	wireWay    = productWay + "; CloudEvents of 8 attributes, 8 partitions"
)

func (p passage) contest() *contest {
	var r routes
	c := &contest{close: func() error {
		err := r.close()
		if p.close != nil {
			err = errors.Join(err, p.close())
		}
		return err
	}}
	p.product.name = carillonName
	add := func(s waySide, t traffic) string {
		if t.callers == 0 {
			t = inBatches()
		}
		name := fmt.Sprintf("%s, %d outstanding: %s", p.broker, t.all(), s.name)
		c.sides = append(c.sides, r.side(route{
			name: name, what: s.what, traffic: t,
			open: func(ctx context.Context, handle receiver) (carrier, error) { return s.open(ctx, t, handle) },
		}))
		return name
	}
	hand, product := add(p.hand, p.hand.traffic), add(p.product, p.product.traffic)
	work := "publish → handler, " + p.broker
	c.claims = append(c.claims, claim{work: work, against: p.hand.name, floor: p.floor, value: ratio(product, hand)})
	for _, rival := range p.rivals {
		c.claims = append(c.claims, claim{work: work, against: rival.name, floor: rival.floor, unit: "×", value: ratio(product, add(rival, rival.traffic))})
	}
	handAlone, productAlone := add(p.hand, alone()), add(p.product, alone())
	c.claims = append(c.claims, claim{
		work: p.broker + ", one message outstanding, p50", against: p.hand.name, ceiling: p.ceiling, value: factRatio(median, productAlone, handAlone),
	})
	return c
}

// latencyCeiling is what the product is to stay under with one message outstanding, of the raw client's time.
const latencyCeiling = 1.25

// opening is a way over a broker that is opened for it.
func opening(opener func() carillon.BrokerOpener) func(context.Context, traffic, receiver) (carrier, error) {
	return func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
		broker, err := opener().OpenBroker(ctx)
		if err != nil {
			return nil, err
		}
		return openPort(ctx, broker, handle, nil)
	}
}

// jetStreams is on a server that flushes every message before it confirms it.
func jetStreams(context.Context, *workspace) (*contest, error) {
	url, err := server(natsURL)
	if err != nil {
		return nil, err
	}
	return jetStream("JetStream, flushed", url, nil).contest(), nil
}

// jetStreamsLater is on a server that flushes every two minutes.
func jetStreamsLater(ctx context.Context, w *workspace) (*contest, error) {
	url, stop, err := startNATS(ctx, w)
	if err != nil {
		return nil, err
	}
	return jetStream("JetStream, flushed later", url, stop, jetstream.FlushedLater()).contest(), nil
}

func jetStream(name, url string, stop func() error, options ...jetstream.Option) passage {
	mill := func(tuned bool) func(context.Context, traffic, receiver) (carrier, error) {
		return func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
			return openMillNATS(ctx, url, fresh(), tuned, handle)
		}
	}
	return passage{
		broker: name, floor: 0.85, ceiling: latencyCeiling, close: stop,
		hand: waySide{
			name: "nats.go by hand", what: "a stream; asynchronous publishing; a pull consumer that acknowledges each message after its handler",
			open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
				return openHandJetStream(ctx, url, fresh(), handle)
			},
		},
		product: waySide{what: wireWay, open: opening(func() carillon.BrokerOpener {
			return jetstream.Server(url, append(options, jetstream.Prefix(fresh()))...)
		})},
		rivals: []waySide{
			{
				name: "watermill-nats, tuned", floor: 4, traffic: oneByOne(), open: mill(true),
				what: "v2.1.3, 256 callers; AckAsync, 4 subscribers, a publisher that does not provision; Router",
			},
			{
				name: "watermill-nats, defaults", floor: 14, traffic: oneByOne(), open: mill(false),
				what: "v2.1.3, 256 callers; as its documentation sets it up; Router",
			},
		},
	}
}

func rabbitMQ(context.Context, *workspace) (*contest, error) {
	url, err := server(rabbitMQURL)
	if err != nil {
		return nil, err
	}
	return passage{
		broker: "RabbitMQ", floor: 0.90, ceiling: latencyCeiling,
		hand: waySide{
			name: "amqp091 by hand",
			what: "8 quorum queues with a single active consumer; a channel with confirms for each of 4 callers; acknowledgements of up to 64 at once, when no more wait",
			open: func(_ context.Context, t traffic, handle receiver) (carrier, error) {
				return openHandRabbitMQ(url, fresh(), t.callers, handle)
			},
		},
		product: waySide{what: wireWay, open: opening(func() carillon.BrokerOpener { return rabbitmq.Server(url, rabbitmq.Prefix(fresh())) })},
		rivals: []waySide{{
			name: "watermill-amqp", floor: 1.4, traffic: oneByOne(), what: "v3.0.2, 256 callers, confirms over pooled channels, a quorum queue, prefetch 256; Router",
			open: func(ctx context.Context, t traffic, handle receiver) (carrier, error) {
				return openMillAMQP(ctx, url, fresh(), t, handle)
			},
		}},
	}.contest(), nil
}

func redisStreams(context.Context, *workspace) (*contest, error) {
	url, err := server(redisURL)
	if err != nil {
		return nil, err
	}
	return passage{
		broker: "Redis Streams", floor: 0.80, ceiling: latencyCeiling,
		hand: waySide{
			name: "go-redis by hand", what: "a stream; a pipeline for each caller's messages; a consumer group that acknowledges with its next read",
			open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
				return openHandRedis(ctx, url, fresh(), handle)
			},
		},
		product: waySide{what: wireWay, open: opening(func() carillon.BrokerOpener {
			return redisstream.Server(url, redisstream.Prefix(fresh()))
		})},
		rivals: []waySide{{
			name: "watermill-redisstream", floor: 6, traffic: oneByOne(), what: "v1.4.5, 256 callers; Router",
			open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
				return openMillRedis(ctx, url, fresh(), handle)
			},
		}},
	}.contest(), nil
}

func kafkaTopics(context.Context, *workspace) (*contest, error) {
	address, err := server(kafkaHost)
	if err != nil {
		return nil, err
	}
	return passage{
		broker: "Kafka", floor: 0.80, ceiling: latencyCeiling,
		hand: waySide{
			name: "franz-go by hand", what: "8 partitions; an idempotent producer without linger; a consumer group whose marks are committed in the background",
			open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
				return openHandKafka(ctx, address, fresh(), handle)
			},
		},
		product: waySide{what: wireWay, open: opening(func() carillon.BrokerOpener {
			return kafka.Brokers([]string{address}, kafka.Prefix(fresh()))
		})},
		rivals: []waySide{{
			name: "watermill-kafka", floor: 3, traffic: oneByOne(), what: "v3.1.2, 256 callers, 8 partitions, acknowledged by all replicas; Router",
			open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
				return openMillKafka(ctx, address, fresh(), handle)
			},
		}},
	}.contest(), nil
}

// onTopic says what a topic by hand does.
const onTopic = "group commit through a channel; a tail that reads what was committed by position; what is handled is noted and deleted every 50 ms, not flushed"

func pgTopics(ctx context.Context, w *workspace) (*contest, error) {
	d, err := openPG(ctx, w)
	if err != nil {
		return nil, err
	}
	return passage{
		broker: "PostgreSQL topic", floor: 0.80, ceiling: latencyCeiling, close: d.close,
		hand: waySide{
			name: "a table by hand", what: onTopic,
			open: func(ctx context.Context, t traffic, handle receiver) (carrier, error) {
				return openPGHandTopic(ctx, d, t.callers, handle)
			},
		},
		product: waySide{what: productWay, open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
			p, err := d.product(ctx, d.name())
			if err != nil {
				return nil, err
			}
			return overStore(ctx, p, handle)
		}},
		rivals: []waySide{{
			name: "watermill-sql", floor: 4, what: "v4.1.2 on pgx, an INSERT for each caller's 64 messages, batches of 100 read every millisecond; Router",
			open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
				return openMillSQL(ctx, d, handle)
			},
		}},
	}.contest(), nil
}

// overStore is a way over the topics of a store, which closing the carrier closes.
func overStore(ctx context.Context, p *product, handle receiver) (carrier, error) {
	keeps, ok := p.store.(carillon.BrokerStore)
	if !ok {
		return nil, errors.Join(carillon.ErrUnsupported, p.close())
	}
	return openPort(ctx, keeps.Broker(), handle, p.close)
}

func sqliteTopics(_ context.Context, w *workspace) (*contest, error) {
	return passage{
		broker: "SQLite topic", floor: 0.80, ceiling: latencyCeiling,
		hand: waySide{
			name: "a table by hand", what: onTopic,
			open: func(_ context.Context, t traffic, handle receiver) (carrier, error) {
				table, err := openHandTable(w.path("hand.db"))
				if err != nil {
					return nil, err
				}
				return startHandTopic(table, t.callers, handle), nil
			},
		},
		product: waySide{what: productWay, open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
			store, err := sqlite.File(w.path("carillon.db")).Open(ctx)
			if err != nil {
				return nil, err
			}
			return overStore(ctx, &product{store: store}, handle)
		}},
	}.contest(), nil
}

func inProcess(context.Context, *workspace) (*contest, error) {
	return passage{
		broker: "in process", floor: 0.60,
		hand: waySide{
			name: "a buffered channel", what: "a message at a time through the channel to one goroutine; nothing is confirmed or given again",
			open: func(_ context.Context, t traffic, handle receiver) (carrier, error) {
				return openHandChannel(t.all(), handle), nil
			},
		},
		product: waySide{what: productWay + "; package adapter/memory", open: func(ctx context.Context, _ traffic, handle receiver) (carrier, error) {
			return openPort(ctx, memory.Volatile().Broker(), handle, nil)
		}},
		rivals: []waySide{{
			name: "watermill gochannel", floor: 3, what: "v1.5.1, 4 callers with 64 messages each, a buffer for all; Router",
			open: func(ctx context.Context, t traffic, handle receiver) (carrier, error) {
				return openMillChannel(ctx, t.all(), handle)
			},
		}},
	}.contest(), nil
}
