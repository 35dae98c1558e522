package main

import (
	"context"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// relayAtOnce is how many messages the relay by hand publishes before it waits.
const relayAtOnce = 512

// relayByHand relays until it is over or nothing is left.
func relayByHand(ctx context.Context, to *handJetStream, table handTable, over *atomic.Bool) error {
	messages := make([]*nats.Msg, 0, relayAtOnce)
	for position := int64(0); !over.Load(); {
		messages = messages[:0]
		through, err := table.read(position, relayAtOnce, func(row handRow) error {
			id, err := uuid.FromBytes(row.id)
			messages = append(messages, &nats.Msg{
				Subject: to.subject, Data: append([]byte(nil), row.payload...),
				Header: nats.Header{nats.MsgIdHdr: []string{id.String()}, headerType: []string{string(row.typ)}, metadataKey: []string{string(row.key)}},
			})
			return err
		})
		if err != nil || through == position {
			return err
		}
		if err := to.publish(ctx, len(messages), func(i int) *nats.Msg { return messages[i] }); err != nil {
			return err
		}
		if err := table.settle(through); err != nil {
			return err
		}
		position = through
	}
	return nil
}
