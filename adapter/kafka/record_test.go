package kafka_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestRecord compares what is written with the CloudEvents binding for Kafka, header by header.
func TestRecord(t *testing.T) {
	t.Parallel()
	seeds, prefix := cluster(t), unique()
	broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
	declare(t, broker)
	publish(t, broker, carillon.Message{
		ID: "0190-1", Kind: carillon.KindCommand, Type: "order.place", SchemaVersion: 3, Key: "Größe 1", Tags: []carillon.Tag{"order:1"},
		Time: time.Date(2026, 11, 21, 9, 30, 0, 123456000, time.UTC), CorrelationID: "c", CausationID: "d", TraceParent: "00-1-2-01",
		TraceState: "v=1", Tenant: "t", ContentType: "application/x-protobuf", Payload: []byte{0, 1},
		Headers: map[string]string{"source": "/orders", "subject": "o", "expected-version": "3"},
	}, carillon.Message{ID: "2", Type: "a"})
	client := raw(t, seeds, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{prefix + "orders": {0: kgo.NewOffset().AtStart()}}))
	var records []*kgo.Record
	for len(records) < 2 {
		records = append(records, client.PollFetches(t.Context()).Records()...)
	}
	type written struct {
		Key, Value string
		Headers    [][2]string
	}
	var got []written
	for _, record := range records {
		w := written{Key: string(record.Key), Value: string(record.Value)}
		for _, header := range record.Headers {
			w.Headers = append(w.Headers, [2]string{header.Key, string(header.Value)})
		}
		got = append(got, w)
	}
	want := []written{
		{"Größe 1", "\x00\x01", [][2]string{
			{"ce_specversion", "1.0"},
			{"ce_id", "0190-1"},
			{"ce_source", "/orders"},
			{"ce_type", "order.place"},
			{"ce_time", "2026-11-21T09:30:00.123456Z"},
			{"content-type", "application/x-protobuf"},
			{"ce_kind", "command"},
			{"ce_partitionkey", "Größe 1"},
			{"ce_schemaversion", "3"},
			{"ce_tags", `["order:1"]`},
			{"ce_correlationid", "c"},
			{"ce_causationid", "d"},
			{"ce_traceparent", "00-1-2-01"},
			{"ce_tracestate", "v=1"},
			{"ce_tenant", "t"},
			{"ce_subject", "o"},
			{"ce_headers", `{"expected-version":"3"}`},
		}},
		{"", "", [][2]string{
			{"ce_specversion", "1.0"}, {"ce_id", "2"}, {"ce_source", "carillon"}, {"ce_type", "a"}, {"content-type", "application/json"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if records[1].Value == nil {
		t.Error("a message without a payload deletes its key where topics are compacted")
	}
}

// TestRecordsOfOthers reads what other programs write, in every form, and what is no CloudEvent at all.
func TestRecordsOfOthers(t *testing.T) {
	t.Parallel()
	seeds, prefix := cluster(t), unique()
	broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
	declare(t, broker, "billing")
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	binary := []kgo.RecordHeader{header("ce_specversion", "1.0"), header("ce_id", "1"), header("ce_source", "/x"), header("ce_type", "a")}
	tests := []struct {
		name   string
		record kgo.Record
		want   carillon.Message
	}{
		{
			"binary, with headers of its own",
			kgo.Record{Key: []byte("k"), Value: []byte("1"), Headers: append(binary, header("id", "other"), header("blob", "\xff"))},
			carillon.Message{
				ID: "1", Type: "a", Key: "k", SchemaVersion: 1, ContentType: "application/json", Payload: []byte("1"),
				Headers: map[string]string{"source": "/x", "id": "other"},
			},
		},
		{
			"structured",
			kgo.Record{
				Value:   []byte(`{"specversion":"1.0","id":"2","source":"/x","type":"b","data":{"n":1}}`),
				Headers: []kgo.RecordHeader{header("content-type", "application/cloudevents+json; charset=UTF-8")},
			},
			carillon.Message{
				ID: "2", Type: "b", SchemaVersion: 1, ContentType: "application/json", Payload: []byte(`{"n":1}`), Headers: map[string]string{"source": "/x"},
			},
		},
		{
			"no CloudEvent",
			kgo.Record{Key: []byte("k"), Value: []byte("hello"), Headers: []kgo.RecordHeader{header("a", "b"), header("c", "\xff")}},
			unreadable(prefix+"orders/0/2", "k", []byte("hello"), map[string]string{
				"a": "b", "unreadable": "it has neither the header ce_specversion nor the content type application/cloudevents+json",
			}),
		},
		{
			"a wrong attribute",
			kgo.Record{Value: []byte("x"), Headers: append(binary[:3:3], header("ce_type", "a"), header("ce_time", "now"))},
			unreadable(prefix+"orders/0/3", "", []byte("x"), map[string]string{
				"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/x", "ce_type": "a", "ce_time": "now",
				"unreadable": `attribute "time" of a CloudEvent: parsing time "now" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse "now" as "2006"`,
			}),
		},
		{"a deletion", kgo.Record{}, unreadable(prefix+"orders/0/4", "", nil, map[string]string{
			"unreadable": "it has neither the header ce_specversion nor the content type application/cloudevents+json",
		})},
	}
	client := raw(t, seeds)
	for i := range tests {
		tests[i].record.Topic = prefix + "orders"
		if err := client.ProduceSync(t.Context(), &tests[i].record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // what is not settled comes again as it was
		joined := subscribe(t, broker, carillon.SubscribeOptions{})
		for i, delivery := range receive(t, joined, len(tests)) {
			got := delivery.Message
			if got.Type == kafka.TypeUnreadable {
				got.Time = time.Time{}
			}
			if diff := cmp.Diff(tests[i].want, got); diff != "" {
				t.Errorf("%s: %s", tests[i].name, diff)
			}
		}
		if err := joined.Close(); err != nil {
			t.Error(err)
		}
	}
}

func unreadable(id, key string, payload []byte, headers map[string]string) carillon.Message {
	return carillon.Message{
		ID: id, Kind: carillon.KindDocument, Type: kafka.TypeUnreadable, Key: key, SchemaVersion: 1, ContentType: "application/octet-stream",
		Payload: payload, Headers: headers,
	}
}
