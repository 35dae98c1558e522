package messaging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// The headers of a message whose payload is elsewhere.
const (
	headerClaim       = "claim"       // the reference
	headerClaimSize   = "claimsize"   // in bytes
	headerClaimDigest = "claimsha256" // in hexadecimal
)

const (
	// claimMost is how large a payload may be that is kept elsewhere, in bytes.
	claimMost = 64 << 20
	// sweepEvery is how often payloads are looked for that are older than their topic's retention, at least.
	sweepEvery = time.Hour
)

// claimCheck is where a topic's large payloads are.
type claimCheck struct {
	over  int
	blobs carillon.Blobs
}

// ClaimCheck keeps payloads of more than so many bytes, up to 64 MiB, in another place: the message carries a reference, the size and the
// SHA-256 in their stead. A payload is there before its message is published, and a consumer fetches and checks it before it decodes it,
// again for each try. One that is missing or damaged is a dead letter with its cause; while the place cannot be reached the key waits.
//
// Payloads are kept as long as the topic's [Retention] says, from the publishing on: a dead letter that is retried later than that finds
// none. Everyone who publishes to the topic or consumes it names the same place.
func ClaimCheck(over int, blobs carillon.Blobs) TopicPart {
	return func(t *Topic) {
		if over < 0 || blobs == nil {
			t.err = errors.Join(t.err, carillon.Invalidf(fmt.Sprintf("topic %q", t.declared.Name), "a claim check has a threshold and a place"))
			return
		}
		t.claims = &claimCheck{over: over, blobs: blobs}
	}
}

// deposit puts the payload of a message into its place, if it is large.
func (t *Topic) deposit(ctx context.Context, m *carillon.Message) error {
	if t.claims == nil || len(m.Payload) <= t.claims.over {
		return nil
	}
	if len(m.Payload) > claimMost {
		return fmt.Errorf("%s %q has a payload of %d bytes, the limit is %d: %w", m.Kind, m.Type, len(m.Payload), claimMost, carillon.ErrTooLarge)
	}
	reference, err := t.claims.blobs.Put(ctx, t.Name(), m.Payload)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(m.Payload)
	headers := make(map[string]string, len(m.Headers)+3)
	maps.Copy(headers, m.Headers)
	headers[headerClaim], headers[headerClaimSize] = reference, strconv.Itoa(len(m.Payload))
	headers[headerClaimDigest] = hex.EncodeToString(digest[:])
	m.Headers, m.Payload = headers, nil
	return nil
}

// claimed reports whether a message's payload is elsewhere, and how large it is.
func claimed(m *carillon.Message) (size int, ok bool) {
	if m.Headers[headerClaim] == "" {
		return 0, false
	}
	size, err := strconv.Atoi(m.Headers[headerClaimSize])
	if err != nil || size < 0 {
		size = claimMost + 1
	}
	return size, true
}

// redeem returns a message with its payload, which is the message itself when it has it.
func (t *Topic) redeem(ctx context.Context, m *carillon.Message) (*carillon.Message, error) {
	size, ok := claimed(m)
	if !ok {
		return m, nil
	}
	what := fmt.Sprintf("payload of %s %q", m.Kind, m.Type)
	switch {
	case t.claims == nil:
		return nil, consume.Permanent(carillon.Invalidf(what, "it is elsewhere, and topic %q has no ClaimCheck that says where", t.Name()))
	case size > claimMost:
		return nil, consume.Permanent(fmt.Errorf("%s: %s bytes: %w", what, m.Headers[headerClaimSize], carillon.ErrTooLarge))
	}
	payload, err := t.claims.blobs.Get(ctx, m.Headers[headerClaim])
	switch {
	case errors.Is(err, carillon.ErrNotFound), errors.Is(err, carillon.ErrInvalid):
		return nil, consume.Permanent(fmt.Errorf("%s: %w", what, err))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	digest := sha256.Sum256(payload)
	if len(payload) != size || hex.EncodeToString(digest[:]) != m.Headers[headerClaimDigest] {
		return nil, consume.Permanent(fmt.Errorf("%s: %s has %d bytes with SHA-256 %x, not the %d with %s that were published: %w", what,
			m.Headers[headerClaim], len(payload), digest, size, m.Headers[headerClaimDigest], carillon.ErrCorrupt))
	}
	whole := *m
	whole.Payload = payload
	whole.Headers = maps.Clone(m.Headers)
	dropClaim(whole.Headers)
	return &whole, nil
}

// dropClaim removes the headers that say where a payload is.
func dropClaim(headers map[string]string) {
	for _, name := range []string{headerClaim, headerClaimSize, headerClaimDigest} {
		delete(headers, name)
	}
}

// message is the message that a handler is given.
func (d *delivery) message() *carillon.Message {
	if d.whole != nil {
		return d.whole
	}
	return &d.Message
}

// portion is how many of some deliveries may have their payloads in memory together.
func portion(batch []*delivery, left []int) int {
	sum := 0
	for n, i := range left {
		size, _ := claimed(&batch[i].Message)
		if sum += size; sum > claimMost && n > 0 {
			return n
		}
	}
	return len(left)
}

// fetch fetches the payloads that are elsewhere, several at a time, and returns the deliveries that are whole.
func (w *worker) fetch(ctx context.Context, batch []*delivery, left []int, errs []error) []int {
	const together = 8
	var fetching sync.WaitGroup
	free := make(chan struct{}, together)
	for _, i := range left {
		if _, ok := claimed(&batch[i].Message); !ok || !w.handles(&batch[i].Message) {
			continue
		}
		free <- struct{}{}
		fetching.Go(func() {
			defer func() { <-free }()
			batch[i].whole, errs[i] = w.topic.redeem(ctx, &batch[i].Message)
		})
	}
	fetching.Wait()
	whole := make([]int, 0, len(left))
	for _, i := range left {
		if errs[i] == nil {
			whole = append(whole, i)
			continue
		}
		errs[i] = w.failed(ctx, batch[i], errs[i])
	}
	return whole
}

// handles reports whether the consumer has a handler for a message.
func (w *worker) handles(m *carillon.Message) bool {
	known, carried := w.topic.byName[m.Type]
	_, ok := w.handlers[known.payload]
	return carried && ok
}

// sweep removes payloads that are older than their topics' retention, until the context ends.
func (e *Engine) sweep(ctx context.Context) {
	for ctx.Err() == nil {
		wait := sweepEvery
		for _, topic := range e.topics {
			if topic.claims == nil {
				continue
			}
			retention := topic.declared.WithDefaults().Retention
			wait = min(wait, max(retention/4, time.Minute))
			removed, err := topic.claims.blobs.Sweep(ctx, topic.Name(), time.Now().Add(-retention))
			if err != nil && ctx.Err() == nil {
				e.logger.Warn("payloads not swept", slog.String("topic", topic.Name()), slog.Any("error", err))
			}
			if removed > 0 {
				e.logger.Info("payloads swept", slog.String("topic", topic.Name()), slog.Int("removed", removed))
			}
		}
		pause(ctx, wait)
	}
}

// hasClaims reports whether any topic has payloads elsewhere.
func (e *Engine) hasClaims() bool {
	for _, topic := range e.topics {
		if topic.claims != nil {
			return true
		}
	}
	return false
}
