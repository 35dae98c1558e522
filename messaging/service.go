package messaging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/internal/ids"
)

// drainLimit is how long requests under way may take when the service stops.
const drainLimit = 10 * time.Second

// service runs a server.
type service struct {
	*Server
	engine       *Engine
	unanswered   *worker // for commands that ask for no reply
	subscription carillon.Subscription
	settled      chan *delivery
}

func newService(e *Engine, server *Server) *service {
	return &service{Server: server, engine: e, unanswered: newWorker(e, server.asConsumer())}
}

// run serves until the context ends, joining the subscription again when it fails.
func (s *service) run(ctx context.Context) {
	for wait := firstPause; ctx.Err() == nil; wait = min(2*wait, lastPause) {
		began := time.Now()
		if err := s.serve(ctx); err != nil && ctx.Err() == nil {
			s.engine.logger.Error("server failed, trying again", slog.String("server", s.name), slog.Any("error", err))
			if time.Since(began) > lastPause {
				wait = firstPause
			}
			pause(ctx, wait)
		}
	}
}

func (s *service) serve(ctx context.Context) error {
	parked, err := s.unanswered.parkedBefore(ctx)
	if err != nil {
		return err
	}
	taking := carillon.SubscribeOptions{MaxUnsettled: 2 * s.parallel}.WithDefaults()
	joined, err := s.engine.broker.Subscribe(ctx, s.topic.Name(), s.name, taking)
	if err != nil {
		return err
	}
	s.subscription, s.settled = joined, make(chan *delivery, s.parallel)
	handling, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	holding := newHolding(joined, taking.AckDeadline, s.engine.logger)
	var beside, requests sync.WaitGroup
	beside.Go(func() { holding.keep(handling) })
	beside.Go(func() { s.settle(context.WithoutCancel(ctx), holding) })
	retrying, stopRetries := context.WithCancel(ctx)
	beside.Go(func() { s.unanswered.retries(retrying, parked) })

	err = s.receive(ctx, handling, holding, &requests)
	stopRetries()
	late := time.AfterFunc(drainLimit, stop)
	requests.Wait()
	late.Stop()
	stop()
	close(s.settled)
	beside.Wait()
	return errors.Join(err, joined.Close())
}

// receive hands each request to a goroutine of its own, as many at a time as the server handles.
func (s *service) receive(ctx, handling context.Context, holding *holding, requests *sync.WaitGroup) error {
	free := make(chan struct{}, s.parallel)
	for {
		var received []carillon.Delivery
		err := patiently(ctx, s.engine.logger, "receive requests", func() (err error) {
			received, err = s.subscription.Receive(ctx, s.parallel)
			return err
		})
		if err != nil {
			return err
		}
		for i := range received {
			d := &delivery{Delivery: received[i]}
			holding.add(d)
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			requests.Go(func() {
				defer func() { <-free }()
				settled := false
				s.handle(handling, d, func() {
					if !settled {
						settled = true
						s.settled <- d
					}
				})
				if !settled {
					holding.remove(d) // it comes again
				}
			})
		}
	}
}

// settle settles requests that are done with, several together where several are.
func (s *service) settle(ctx context.Context, holding *holding) {
	for d := range s.settled {
		all := []carillon.Delivery{d.Delivery}
		holding.remove(d)
		for len(s.settled) > 0 {
			if more, ok := <-s.settled; ok {
				all = append(all, more.Delivery)
				holding.remove(more)
			}
		}
		if err := s.subscription.Ack(ctx, all); err != nil {
			s.engine.logger.Warn("requests not settled, they may come again", slog.String("server", s.name), slog.Any("error", err))
		}
	}
}

// handle handles a request, and settles it when it is done with: one that is not comes again.
func (s *service) handle(ctx context.Context, d *delivery, settle func()) {
	m := &d.Message
	known, carried := s.topic.byName[m.Type]
	if carried && known.kind != carillon.KindCommand && known.kind != carillon.KindQuery {
		settle()
		return
	}
	replyTo := m.Headers[headerReplyTo]
	if replyTo == "" && carried && known.kind == carillon.KindCommand {
		if s.carryOut(ctx, d) {
			settle()
		}
		return
	}
	deadline, ok := deadlineOf(m)
	if !ok || !isReplyTopic(replyTo) || m.Headers[headerID] == "" {
		s.drop(m, "it does not say who waits for how long", nil)
		settle()
		return
	}
	if !time.Now().Before(deadline) {
		s.engine.counts.expired.Add(1)
		s.engine.logger.Info("request expired, it is not carried out", slog.String("server", s.name), slog.String("type", m.Type),
			slog.String("id", m.Headers[headerID]), slog.Time("deadline", deadline))
		settle()
		return
	}
	bounded, stop := context.WithDeadline(ctx, deadline)
	defer stop()
	s.respond(bounded, m, known, carried, replyTo, settle)
	if ctx.Err() == nil { // else the service stops, and another process carries it out
		settle()
	}
}

// respond carries a request out and publishes what it is answered with. The request of a stream is settled before that begins: begun
// again elsewhere it would be another stream.
func (s *service) respond(ctx context.Context, m *carillon.Message, known messageType, carried bool, replyTo string, settle func()) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var result any
	err := fmt.Errorf("topic %q carries no %q: %w", s.topic.Name(), m.Type, carillon.ErrUnknownType)
	if carried {
		err = guarded(func() (err error) {
			result, err = s.dispatch(ctx, m, known)
			return err
		})
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the service stops, and the request comes again
	}
	if err == nil && known.answer != nil && known.answer.stream != nil {
		settle()
		s.stream(ctx, stop, m, known, replyTo, result)
		return
	}
	reply := s.newReply(m)
	if err == nil {
		err = guarded(func() error { return s.encode(ctx, &reply, known, result) })
	}
	if err != nil {
		s.problem(&reply, m, err)
	}
	s.reply(ctx, m, replyTo, reply)
}

// drop counts and logs a request that nobody is answered for.
func (s *service) drop(m *carillon.Message, why string, cause error) {
	s.engine.counts.unanswered.Add(1)
	s.engine.logger.Warn("request not answered", slog.String("why", why), slog.String("server", s.name), slog.String("type", m.Type),
		slog.String("id", m.ID), slog.String("reply to", m.Headers[headerReplyTo]), slog.Any("error", cause))
}

// carryOut carries out a command that asks for no reply, until it succeeds or is parked.
func (s *service) carryOut(ctx context.Context, d *delivery) (done bool) {
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		whole, err := s.topic.redeem(ctx, &d.Message)
		if err == nil {
			err = s.unanswered.command(ctx, whole)
		}
		if err != nil {
			err = s.unanswered.failed(ctx, d, err)
		}
		if err == nil {
			return true
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return false
		}
	}
}

// newReply makes a reply that says nothing yet.
func (s *service) newReply(m *carillon.Message) carillon.Message {
	return carillon.Message{
		ID: ids.Derive(s.name+"/"+m.ID, 0), Kind: carillon.KindReply, Type: m.Type, SchemaVersion: 1, Key: m.ID, Time: now(),
		CorrelationID: m.CorrelationID, CausationID: m.ID, Tenant: m.Tenant, TraceParent: m.TraceParent, TraceState: m.TraceState,
		Headers: map[string]string{headerResponder: s.name, headerID: m.Headers[headerID]},
	}
}

// encode gives a reply its payload.
func (s *service) encode(ctx context.Context, reply *carillon.Message, known messageType, result any) (err error) {
	if known.kind == carillon.KindCommand {
		appended, _ := result.(carillon.Appended)
		reply.Payload, err = json.Marshal(appended)
		return err
	}
	reply.ContentType = s.engine.codec.ContentType()
	if reply.Payload, err = s.engine.codec.Encode(result); err != nil {
		return err
	}
	if err := s.topic.deposit(ctx, reply); err != nil {
		return err
	}
	return reply.CheckPublished(s.engine.maxPayload())
}

// problem turns a reply into one that says what went wrong.
func (s *service) problem(reply, m *carillon.Message, err error) {
	name, body := problemOf(err, m.Headers[headerID])
	if name == problemInternal {
		attributes := []any{
			slog.String("server", s.name), slog.String("type", m.Type), slog.String("id", m.Headers[headerID]), slog.Any("error", err),
		}
		if panicked, ok := errors.AsType[*consume.PanicError](err); ok {
			attributes = append(attributes, slog.String("stack", panicked.Stack))
		}
		s.engine.logger.Error("request failed", attributes...)
	}
	reply.Headers[headerProblem], reply.Payload, reply.ContentType = name, body, carillon.ContentTypeJSON
}

// guarded turns a panic into an error.
func guarded(do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &consume.PanicError{Value: cause, Stack: string(debug.Stack())}
		}
	}()
	return do()
}

// dispatch decodes a request and hands it to the bus.
func (s *service) dispatch(ctx context.Context, m *carillon.Message, known messageType) (any, error) {
	whole, err := s.topic.redeem(ctx, m)
	if err != nil {
		return nil, err
	}
	value, err := known.decode(s.engine.codec, whole.Payload)
	if err != nil {
		return nil, fmt.Errorf("decode %s %q: %w: %w", m.Kind, m.Type, carillon.ErrInvalid, err)
	}
	return s.engine.bus.Dispatch(ctx, value, asSent(whole))
}

// reply publishes a reply, again until the deadline while the broker cannot be reached.
func (s *service) reply(ctx context.Context, m *carillon.Message, replyTo string, reply carillon.Message) {
	err := patiently(ctx, s.engine.logger, "reply", func() error {
		return s.engine.broker.Publish(ctx, replyTo, []carillon.Message{reply})
	})
	if err != nil {
		s.drop(m, "the reply was not published", err)
	}
}
