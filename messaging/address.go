package messaging

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

const (
	// addressesMost is how many processes of one service can have replies at a time.
	addressesMost = 256
	// addressTTL is how long the address of a process that died stays taken.
	addressTTL = 30 * time.Second
	// addressBatch is how many replies are taken at a time.
	addressBatch = 256
	// repliesRetention is how long a broker keeps replies that nobody takes.
	repliesRetention = time.Hour
	// repliesSubscription is the one subscription to a topic of replies.
	repliesSubscription = "replies"
)

// address is where this process has replies sent to: one of a bounded set of topics, which the processes of a service use one after the
// other. On a store that several processes share each claims the lowest that is free by a lease; on any other there is one process.
type address struct {
	engine *Engine
	name   string // of the service
	holder string

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when topic changes
	topic   string        // "" while there is none
	ended   bool
	calls   map[string]*call    // by the id of the request
	streams map[string]*outward // by the id of the request
}

func newAddress(e *Engine, name string) *address {
	return &address{
		engine: e, name: name, holder: ids.New(), changed: make(chan struct{}),
		calls: make(map[string]*call), streams: make(map[string]*outward),
	}
}

// run holds an address until the context ends.
func (a *address) run(ctx context.Context) {
	for wait := firstPause; ctx.Err() == nil; wait = min(2*wait, lastPause) {
		began := time.Now()
		if err := a.hold(ctx); err != nil && ctx.Err() == nil {
			a.engine.logger.Error("no replies can come, trying again", slog.String("service", a.name), slog.Any("error", err))
			if time.Since(began) > lastPause {
				wait = firstPause
			}
			pause(ctx, wait)
		}
	}
	a.set("", true)
}

// set says which topic replies go to now.
func (a *address) set(topic string, ended bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.topic, a.ended = topic, ended
	close(a.changed)
	a.changed = make(chan struct{})
	if ended {
		for _, c := range a.calls {
			c.end()
		}
	}
}

// wait returns the topic of replies as soon as there is one.
func (a *address) wait(ctx context.Context) (string, error) {
	for {
		a.mu.Lock()
		topic, ended, changed := a.topic, a.ended, a.changed
		a.mu.Unlock()
		if ended {
			return "", carillon.ErrClosed
		}
		if topic != "" {
			return topic, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("service %q has no topic for replies yet: %w", a.name, carillon.ErrUnavailable)
		}
	}
}

// hold claims an address and takes replies until it is lost or the context ends.
func (a *address) hold(ctx context.Context) (err error) {
	topic, lease, err := a.claim(ctx)
	if err != nil {
		return err
	}
	holding, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if lease.Name != "" {
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			stop(a.keep(holding, lease))
		}()
		defer func() {
			stop(nil)
			<-kept
			release, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer done()
			err = errors.Join(err, a.leases().Release(release, lease))
		}()
	}
	err = patiently(holding, a.engine.logger, "declare a topic for replies", func() error {
		return a.engine.broker.Declare(holding, carillon.Topic{
			Name: topic, Subscriptions: []string{repliesSubscription}, Partitions: 1, Retention: repliesRetention,
		})
	})
	if err != nil {
		return err
	}
	subscription, err := a.engine.broker.Subscribe(holding, topic, repliesSubscription, carillon.SubscribeOptions{Consumer: a.holder})
	if err != nil {
		return err
	}
	a.set(topic, false)
	err = a.receive(holding, subscription)
	a.set("", false)
	if cause := context.Cause(holding); cause != nil && ctx.Err() == nil {
		err = cause
	}
	return errors.Join(err, subscription.Close())
}

// receive hands out replies until something fails.
func (a *address) receive(ctx context.Context, subscription carillon.Subscription) error {
	for {
		var received []carillon.Delivery
		err := patiently(ctx, a.engine.logger, "receive replies", func() (err error) {
			received, err = subscription.Receive(ctx, addressBatch)
			return err
		})
		if err != nil {
			return err
		}
		for i := range received {
			a.deliver(&received[i].Message)
		}
		if err := subscription.Ack(context.WithoutCancel(ctx), received); err != nil {
			a.engine.logger.Warn("replies not settled, they may come again", slog.String("topic", a.name), slog.Any("error", err))
		}
	}
}

// deliver hands a message to whoever waits for it. What nobody waits for was for a caller who has given up, or for an earlier owner of the
// address.
func (a *address) deliver(m *carillon.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if isSignal(m) {
		if s := a.streams[m.CausationID]; s != nil {
			s.signal(m)
		}
		return
	}
	if c := a.calls[m.CausationID]; c != nil && c.take(m) {
		return
	}
	a.engine.counts.late.Add(1)
	a.engine.logger.Debug("reply dropped, nobody waits for it", slog.String("request", m.CausationID), slog.String("type", m.Type))
}

func (a *address) leases() carillon.Leases {
	if keeps, ok := a.engine.store.(carillon.LeaseStore); ok {
		return keeps.Leases()
	}
	return nil
}

// claim finds the lowest address that is free. Without leases the store has one process, and that has the first.
func (a *address) claim(ctx context.Context) (topic string, lease carillon.Lease, err error) {
	leases := a.leases()
	if leases == nil {
		return a.numbered(0), lease, nil
	}
	for n := range addressesMost {
		lease, err = leases.Claim(ctx, "messaging/"+a.numbered(n), a.holder, addressTTL)
		if err == nil {
			return a.numbered(n), lease, nil
		}
		if !errors.Is(err, carillon.ErrLeaseHeld) {
			return "", lease, err
		}
	}
	return "", lease, fmt.Errorf("service %q has %d processes that take replies: %w", a.name, addressesMost, err)
}

func (a *address) numbered(n int) string { return fmt.Sprint(a.name, repliesIn, n) }

// keep renews the lease until it is lost, or the context ends.
func (a *address) keep(ctx context.Context, lease carillon.Lease) error {
	ticker := time.NewTicker(addressTTL / 3)
	defer ticker.Stop()
	for renewed := time.Now(); ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		held, err := a.leases().Renew(ctx, a.holder, addressTTL)
		switch {
		case err == nil && len(held) == 0:
			return carillon.ErrLeaseLost
		case err == nil:
			renewed = time.Now()
		case time.Since(renewed) > addressTTL*2/3:
			return fmt.Errorf("lease %q was not renewed in time: %w", lease.Name, err)
		}
	}
}
