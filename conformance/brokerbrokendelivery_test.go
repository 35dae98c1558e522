package conformance

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

// brokenPassage are brokers that deliver another message than was published.
func brokenPassage() []brokenBroker {
	lossy := func(fault string, change func(m *carillon.Message)) brokenBroker {
		open := alterDeliveries(func(delivery *carillon.Delivery) { change(&delivery.Message) })
		return brokenBroker{fault, open, []string{"messages as published"}}
	}
	headers := func(change func(name, value string) (string, string)) func(m *carillon.Message) {
		return func(m *carillon.Message) {
			changed := make(map[string]string, len(m.Headers))
			for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
				key, value := change(name, m.Headers[name])
				changed[key] = value
			}
			m.Headers = changed
		}
	}
	return []brokenBroker{
		lossy("loses the id", func(m *carillon.Message) { m.ID = "lost" }),
		lossy("folds the id", func(m *carillon.Message) { m.ID = strings.ToLower(m.ID) }),
		lossy("takes every message for an event", func(m *carillon.Message) { m.Kind = carillon.KindEvent }),
		lossy("takes a document for an event", func(m *carillon.Message) {
			if m.Kind == carillon.KindDocument {
				m.Kind = carillon.KindEvent
			}
		}),
		lossy("folds the type", func(m *carillon.Message) { m.Type = strings.ToLower(m.Type) }),
		lossy("loses the schema version", func(m *carillon.Message) { m.SchemaVersion = 0 }),
		lossy("loses the key", func(m *carillon.Message) { m.Key = "" }),
		lossy("loses the tags", func(m *carillon.Message) { m.Tags = nil }),
		lossy("loses the last tag", func(m *carillon.Message) { m.Tags = m.Tags[:max(0, len(m.Tags)-1)] }),
		lossy("keeps times to the millisecond", func(m *carillon.Message) { m.Time = m.Time.Truncate(time.Millisecond) }),
		lossy("gives the time of delivery", func(m *carillon.Message) { m.Time = time.Now().UTC() }),
		lossy("gives times in another zone", func(m *carillon.Message) { m.Time = m.Time.In(time.FixedZone("CET", 3600)) }),
		lossy("takes no time for 1970", func(m *carillon.Message) {
			if m.Time.IsZero() {
				m.Time = time.Unix(0, 0).UTC()
			}
		}),
		lossy("loses the correlation id", func(m *carillon.Message) { m.CorrelationID = "" }),
		lossy("loses the causation id", func(m *carillon.Message) { m.CausationID = "" }),
		lossy("loses the trace parent", func(m *carillon.Message) { m.TraceParent = "" }),
		lossy("loses the trace state", func(m *carillon.Message) { m.TraceState = "" }),
		lossy("loses the tenant", func(m *carillon.Message) { m.Tenant = "" }),
		lossy("keeps ASCII only", func(m *carillon.Message) {
			m.Tenant = strings.Map(func(r rune) rune { return min(r, 0x7f) }, m.Tenant)
		}),
		lossy("loses the content type", func(m *carillon.Message) { m.ContentType = "" }),
		lossy("loses the headers", func(m *carillon.Message) { m.Headers = nil }),
		lossy("loses one header", func(m *carillon.Message) {
			m.Headers = maps.Clone(m.Headers)
			delete(m.Headers, "source")
		}),
		lossy("writes header names as HTTP does", headers(func(name, value string) (string, string) {
			return strings.ToUpper(name[:1]) + strings.ToLower(name[1:]), value
		})),
		lossy("ends header values at the end of the line", headers(func(name, value string) (string, string) {
			value, _, _ = strings.Cut(value, "\r\n")
			return name, value
		})),
		lossy("adds a header", func(m *carillon.Message) {
			m.Headers = maps.Clone(m.Headers)
			if m.Headers == nil {
				m.Headers = make(map[string]string)
			}
			m.Headers["broker"] = "broken"
		}),
		lossy("ends payloads at a zero byte", func(m *carillon.Message) { m.Payload, _, _ = bytes.Cut(m.Payload, []byte{0}) }),
		lossy("keeps payloads as text", func(m *carillon.Message) { m.Payload = bytes.ToValidUTF8(m.Payload, []byte("?")) }),
		lossy("decodes payloads", func(m *carillon.Message) { m.Value = string(m.Payload) }),
		{"cuts a large payload", alterDeliveries(func(delivery *carillon.Delivery) {
			delivery.Message.Payload = delivery.Message.Payload[:min(len(delivery.Message.Payload), carillon.MaxPayload-1)]
		}), []string{"publish too much"}},
		{"keeps 32 tags", alterDeliveries(func(delivery *carillon.Delivery) {
			delivery.Message.Tags = delivery.Message.Tags[:min(len(delivery.Message.Tags), 32)]
		}), []string{"publish too much"}},
		{"loses the headers of what comes again", alterDeliveries(func(delivery *carillon.Delivery) {
			if delivery.Attempt > 1 {
				delivery.Message.Headers = nil
			}
		}), []string{"unsettled come again", "order after leaving"}},
	}
}

func brokenDelivery() []brokenBroker {
	receiving := func(fault string, caughtBy []string, receive func(ctx context.Context, s *alteredSubscription, limit int) ([]carillon.Delivery, error)) brokenBroker {
		return brokenBroker{fault, alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) { return receive(ctx, s, limit) }
		}), caughtBy}
	}
	probing := func(fault string, change func(backlog *carillon.Backlog)) brokenBroker {
		return brokenBroker{fault, alterBroker(func(b *alteredBroker) {
			b.probe = func(ctx context.Context, topic, name string) (carillon.Backlog, error) {
				backlog, err := b.Broker.(carillon.Prober).Probe(ctx, topic, name)
				change(&backlog)
				return backlog, err
			}
		}), []string{"backlog"}}
	}
	waiting := []string{"wait for a message"}
	return []brokenBroker{
		receiving("receives on when the context ends", []string{"wait for a message", "subscriptions apart"},
			func(ctx context.Context, s *alteredSubscription, limit int) ([]carillon.Delivery, error) {
				return s.inner.Receive(context.WithoutCancel(ctx), limit)
			}),
		receiving("returns nothing when the context ends", waiting,
			func(ctx context.Context, s *alteredSubscription, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if ctx.Err() != nil {
					err = nil
				}
				return deliveries, err
			}),
		receiving("returns nothing when nothing is there", waiting,
			func(ctx context.Context, s *alteredSubscription, limit int) ([]carillon.Delivery, error) {
				ctx, stop := context.WithTimeout(ctx, time.Millisecond)
				defer stop()
				deliveries, _ := s.inner.Receive(ctx, limit)
				return deliveries, nil
			}),
		receiving("does not wake who waits", waiting,
			func(ctx context.Context, s *alteredSubscription, limit int) ([]carillon.Delivery, error) {
				short, stop := context.WithTimeout(ctx, time.Millisecond)
				defer stop()
				deliveries, err := s.inner.Receive(short, limit)
				if err != nil {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return deliveries, nil
			}),
		receiving("returns more than the limit", []string{"unsettled limit", "open again", "order among consumers"},
			func(ctx context.Context, s *alteredSubscription, limit int) ([]carillon.Delivery, error) {
				return s.inner.Receive(ctx, limit+5)
			}),
		{"has no limit of what is unsettled", alterBroker(func(b *alteredBroker) {
			b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
				options.MaxUnsettled = 0
				return b.join(ctx, topic, name, options)
			}
		}), []string{"unsettled limit"}},
		{"holds less than the limit", alterBroker(func(b *alteredBroker) {
			b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
				options.MaxUnsettled = min(options.WithDefaults().MaxUnsettled, 9)
				return b.join(ctx, topic, name, options)
			}
		}), []string{"unsettled limit"}},
		{"settles when it is left", alterSubscriptions(func(s *alteredSubscription) {
			var settled []carillon.Delivery
			s.ack = func(_ context.Context, deliveries []carillon.Delivery) error {
				settled = append(settled, deliveries...)
				return nil
			}
			s.close = func() error {
				_ = s.inner.Ack(context.Background(), settled)
				return s.inner.Close()
			}
		}), []string{"unsettled limit", "backlog"}},
		probing("counts none that wait", func(backlog *carillon.Backlog) { backlog.Waiting = 0 }),
		probing("counts none that are unsettled", func(backlog *carillon.Backlog) { backlog.Unsettled = 0 }),
		probing("counts one too many", func(backlog *carillon.Backlog) { backlog.Waiting++ }),
		probing("counts what waits as unsettled", func(backlog *carillon.Backlog) {
			backlog.Waiting, backlog.Unsettled = backlog.Unsettled, backlog.Waiting
		}),
		probing("counts less than none", func(backlog *carillon.Backlog) {
			backlog.Waiting, backlog.Unsettled = backlog.Waiting+1, backlog.Unsettled-1
		}),
		probing("tells the age of what is not there", func(backlog *carillon.Backlog) { backlog.Oldest += time.Second }),
		probing("takes 1970 for the time of the oldest", func(backlog *carillon.Backlog) {
			if backlog.Waiting > 0 {
				backlog.Oldest = time.Since(time.Unix(0, 0))
			}
		}),
		{"probes what nobody declared", alterBroker(func(b *alteredBroker) {
			b.probe = func(ctx context.Context, topic, name string) (carillon.Backlog, error) {
				if name == "not-there" {
					return carillon.Backlog{}, nil
				}
				return b.Broker.(carillon.Prober).Probe(ctx, topic, name)
			}
		}), []string{"backlog"}},
		{"probes topics nobody declared", alterBroker(func(b *alteredBroker) {
			b.probe = func(ctx context.Context, topic, name string) (carillon.Backlog, error) {
				if topic == "nowhere" {
					return carillon.Backlog{}, nil
				}
				return b.Broker.(carillon.Prober).Probe(ctx, topic, name)
			}
		}), []string{"backlog"}},
	}
}

// brokenClaims are brokers that say of themselves what is not so.
func brokenClaims() []brokenBroker {
	capabilities := []string{"capabilities"}
	published := []string{"messages as published"}
	claims := func(fault string, caughtBy []string, change func(can *carillon.Capabilities)) brokenBroker {
		return brokenBroker{fault, claiming(change), caughtBy}
	}
	return []brokenBroker{
		claims("has no name", capabilities, func(can *carillon.Capabilities) { can.Broker = "" }),
		claims("has no limit of payloads", capabilities, func(can *carillon.Capabilities) { can.MaxPayload = 0 }),
		claims("drops repetitions for less than no time", capabilities, func(can *carillon.Capabilities) { can.Deduplication = -1 }),
		claims("confirms in a way of its own", capabilities, func(can *carillon.Capabilities) { can.Confirm = carillon.ConfirmedFlushed + 1 }),
		claims("can probe, and does not say so", capabilities, func(can *carillon.Capabilities) { can.Probe = false }),
		{"cannot probe, and says so", alterBroker(func(b *alteredBroker) { b.outer = struct{ carillon.Broker }{b} }), capabilities},
		claims("has no deadline, and says so", capabilities, func(can *carillon.Capabilities) { can.Deadline = true }),
		{"has a deadline, and does not say so", competition{deadlines: true}.open(func(b *alteredBroker) { b.can.Deadline = false }), capabilities},
		claims("counts, and does not say so", published, func(can *carillon.Capabilities) { can.Counted = false }),
		{"does not count, and says so", alterDeliveries(func(delivery *carillon.Delivery) { delivery.Attempt = 0 }), published},
		{"counts from 2", alterDeliveries(func(delivery *carillon.Delivery) { delivery.Attempt++ }), published},
		{"takes every delivery for the first", alterDeliveries(func(delivery *carillon.Delivery) { delivery.Attempt = 1 }), []string{"unsettled come again"}},
		claims("tells what is lost, and does not say so", published, func(can *carillon.Capabilities) { can.Revocation = false }),
		{"does not tell what is lost, and says so", alterDeliveries(func(delivery *carillon.Delivery) { delivery.Lost = nil }), published},
		claims("settles each, and says that it notes how far all is settled", []string{"unsettled come again"}, func(can *carillon.Capabilities) {
			can.Ack = carillon.AckWatermark
		}),
		{"notes how far all is settled, and says that it settles each", watermarked(func(can *carillon.Capabilities) { can.Ack = carillon.AckEach }), []string{
			"unsettled come again",
		}},
		{"keeps the order for one consumer, and says for several", competition{}.open(func(b *alteredBroker) { b.can.Order = carillon.OrderShared }), []string{
			"order among consumers",
		}},
		{"keeps no order, and says for one consumer", competition{shuffled: true}.open(func(b *alteredBroker) { b.can.Order = carillon.OrderAlone }), []string{
			"order of a call", "order after leaving", "order among consumers", "publish at once", "publish again",
		}},
		{"has a consumer hold one delivery, and does not say so", holding(1, 0), []string{"unsettled limit", "settled in any order", "a consumer leaves"}},
		{"has a consumer hold one delivery, and says two", holding(1, 2), []string{"unsettled limit", "settled in any order"}},
		{"has a consumer hold two deliveries, and says one", holding(2, 1), []string{"unsettled limit"}},
		claims("has limits, and does not say so", []string{"declare what is wrong"}, func(can *carillon.Capabilities) { can.Bounded = false }),
		{"has no limits, and says so", alterBroker(func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				if topics[0].Limit > 0 {
					return carillon.ErrUnsupported
				}
				return b.Broker.Declare(ctx, topics...)
			}
		}), []string{"declare what is wrong", "publish into a full topic"}},
	}
}
