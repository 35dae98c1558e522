package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

func brokenMessages() []brokenLog {
	roundTrip := []string{"round trip"}
	lossy := func(fault string, change func(m *carillon.Message)) brokenLog {
		return brokenLog{fault: fault, open: alterMessages(change), caughtBy: roundTrip}
	}
	headers := func(m *carillon.Message, change func(name, value string) (string, string)) {
		changed := make(map[string]string, len(m.Headers))
		for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
			key, value := change(name, m.Headers[name])
			changed[key] = value
		}
		m.Headers = changed
	}
	return []brokenLog{
		lossy("loses the id", func(m *carillon.Message) { m.ID = "lost" }),
		lossy("folds the id", func(m *carillon.Message) { m.ID = strings.ToLower(m.ID) }),
		lossy("takes an id for a number", func(m *carillon.Message) {
			if number, err := strconv.Atoi(m.ID); err == nil {
				m.ID = strconv.Itoa(number)
			}
		}),
		lossy("folds the type", func(m *carillon.Message) { m.Type = strings.ToLower(m.Type) }),
		lossy("loses the schema version", func(m *carillon.Message) { m.SchemaVersion = 1 }),
		lossy("keeps a schema version in 16 bits", func(m *carillon.Message) { m.SchemaVersion = int(int16(m.SchemaVersion)) }),
		lossy("loses the key", func(m *carillon.Message) { m.Key = "" }),
		lossy("loses the tags", func(m *carillon.Message) { m.Tags = nil }),
		lossy("sorts the tags", func(m *carillon.Message) { m.Tags = slices.Sorted(slices.Values(m.Tags)) }),
		lossy("keeps a tag up to its second colon", func(m *carillon.Message) {
			m.Tags = slices.Clone(m.Tags)
			for i, tag := range m.Tags {
				value, _, _ := strings.Cut(tag.Value(), ":")
				m.Tags[i] = carillon.NewTag(tag.Key(), value)
			}
		}),
		lossy("truncates times to seconds", func(m *carillon.Message) { m.Time = m.Time.Truncate(time.Second) }),
		lossy("truncates times to milliseconds", func(m *carillon.Message) { m.Time = m.Time.Truncate(time.Millisecond) }),
		lossy("keeps times as a count of nanoseconds", func(m *carillon.Message) { m.Time = time.Unix(0, m.Time.UnixNano()).UTC() }),
		lossy("gives times in another zone", func(m *carillon.Message) { m.Time = m.Time.In(time.FixedZone("CET", 3600)) }),
		lossy("takes 1970 for no time", func(m *carillon.Message) {
			if m.Time.Unix() == 0 {
				m.Time = time.Time{}
			}
		}),
		lossy("loses the correlation id", func(m *carillon.Message) { m.CorrelationID = "" }),
		lossy("takes the causation id for the correlation id", func(m *carillon.Message) { m.CausationID = m.CorrelationID }),
		lossy("loses the trace parent", func(m *carillon.Message) { m.TraceParent = "" }),
		lossy("loses the trace state", func(m *carillon.Message) { m.TraceState = "" }),
		lossy("loses the tenant", func(m *carillon.Message) { m.Tenant = "" }),
		lossy("keeps ASCII only", func(m *carillon.Message) {
			m.Tenant = strings.Map(func(r rune) rune {
				if r > 0x7f {
					return '?'
				}
				return r
			}, m.Tenant)
		}),
		lossy("loses the content type", func(m *carillon.Message) { m.ContentType = "" }),
		lossy("loses the headers", func(m *carillon.Message) { m.Headers = nil }),
		lossy("takes header names without regard to case", func(m *carillon.Message) {
			headers(m, func(name, value string) (string, string) { return strings.ToLower(name), value })
		}),
		lossy("trims header values", func(m *carillon.Message) {
			headers(m, func(name, value string) (string, string) { return name, strings.ReplaceAll(value, "\r\n", "\n") })
		}),
		lossy("ends header values at a zero byte", func(m *carillon.Message) {
			headers(m, func(name, value string) (string, string) {
				value, _, _ = strings.Cut(value, "\x00")
				return name, value
			})
		}),
		lossy("leaves out empty headers", func(m *carillon.Message) {
			m.Headers = maps.Clone(m.Headers)
			maps.DeleteFunc(m.Headers, func(_, value string) bool { return value == "" })
		}),
		lossy("ends payloads at a zero byte", func(m *carillon.Message) { m.Payload, _, _ = bytes.Cut(m.Payload, []byte{0}) }),
		lossy("keeps payloads as text", func(m *carillon.Message) { m.Payload = bytes.ToValidUTF8(m.Payload, []byte("?")) }),
		lossy("writes JSON anew", func(m *carillon.Message) {
			var compact bytes.Buffer
			if json.Compact(&compact, m.Payload) == nil {
				m.Payload = compact.Bytes()
			}
		}),
		lossy("stores null for an empty payload", func(m *carillon.Message) {
			if len(m.Payload) == 0 {
				m.Payload = []byte("null")
			}
		}),
		{
			fault:    "gives decoded values back",
			open:     alterRecorded(func(event *carillon.Recorded) { event.Value = string(event.Payload) }),
			caughtBy: roundTrip,
		},
		{
			fault: "loses the time in streams",
			open: alter(func(log *altered) {
				log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
					events, err := log.inner.ReadStream(ctx, stream, after, limit)
					for i := range events {
						events[i].Time = time.Time{}
					}
					return events, err
				}
			}),
			caughtBy: roundTrip,
		},
		{
			fault:    "folds the names of streams",
			open:     alterAppends(func(a *carillon.Append) { a.Stream = strings.ToLower(a.Stream) }),
			caughtBy: []string{"names", "stream names"},
		},
		{
			fault: "trims the names of streams",
			open: alterAppends(func(a *carillon.Append) {
				if len(a.Stream) > 250 {
					a.Stream = a.Stream[:250]
				}
			}),
			caughtBy: []string{"names"},
		},
		{
			fault: "takes a dot in a type for any character",
			open: alterQueries(func(query carillon.Query) carillon.Query {
				return changeItems(query, func(item carillon.Item) []carillon.Item {
					items := []carillon.Item{item}
					for _, typ := range item.Types {
						if strings.Contains(typ, ".") {
							items = append(items, carillon.Item{Types: []string{strings.ReplaceAll(typ, ".", "_")}, Tags: item.Tags})
						}
					}
					return items
				})
			}),
			caughtBy: []string{"names"},
		},
		{
			fault: "refuses a payload of just the limit",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					for _, a := range batch {
						for i := range a.Events {
							if len(a.Events[i].Payload) >= carillon.MaxPayload {
								return nil, fmt.Errorf("a payload of %d bytes: %w", len(a.Events[i].Payload), carillon.ErrTooLarge)
							}
						}
					}
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"limits", "page weight"},
		},
		{
			fault: "cuts a large payload",
			open: alterMessages(func(m *carillon.Message) {
				m.Payload = m.Payload[:min(len(m.Payload), carillon.MaxPayload-1)]
			}),
			caughtBy: []string{"limits", "page weight"},
		},
		{
			fault:    "keeps 32 tags",
			open:     alterMessages(func(m *carillon.Message) { m.Tags = m.Tags[:min(len(m.Tags), 32)] }),
			caughtBy: []string{"limits"},
		},
		{
			fault: "takes 999 events in an append",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					for _, a := range batch {
						if len(a.Events) > 999 {
							return nil, carillon.ErrTooLarge
						}
					}
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"limits"},
		},
		{
			fault: "looks at 32 items of a query",
			open: alterQueries(func(query carillon.Query) carillon.Query {
				return carillon.Query{Items: query.Items[:min(len(query.Items), 32)]}
			}),
			caughtBy: []string{"limits"},
		},
	}
}
