package messaging_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/messaging"
)

// count asks for the numbers below one; and for a failure behind them.
type count struct {
	To    int
	Fails bool
}

func countsTopic() *messaging.Topic {
	return messaging.NewTopic("counts", messaging.Stream[count, int]("count"))
}

// counting answers count, and notes how many numbers it has yielded, and that it has ended.
type counting struct {
	yielded, ended atomic.Int64
}

func (c *counting) endpoint() part {
	return asked("count", func(_ context.Context, q count) (iter.Seq2[int, error], error) {
		if q.To < 0 {
			return nil, carillon.Rejectf("upwards only")
		}
		return func(yield func(int, error) bool) {
			defer c.ended.Add(1)
			for n := range q.To {
				c.yielded.Add(1)
				if !yield(n, nil) {
					return
				}
			}
			if q.Fails {
				yield(0, carillon.Rejectf("no more than %d", q.To))
			}
		}, nil
	})
}

// counted ranges over an answer until it ends.
func counted(t *testing.T, bus *cqrs.Bus, q count) (numbers []int, err error) {
	t.Helper()
	answer, err := cqrs.Ask[iter.Seq2[int, error]](t.Context(), bus, q)
	if err != nil {
		return nil, err
	}
	for n, err := range answer {
		if err != nil {
			return numbers, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// TestStreams asks for streams of every size, where they are answered and elsewhere.
func TestStreams(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, s site) {
		t.Helper()
		topic := countsTopic()
		var c counting
		bank, _ := s.node(t, c.endpoint(), messaging.Serve("bank", topic))
		shop, _ := s.node(t, messaging.Remote("shop", topic))
		for _, n := range []*node{bank, shop} {
			for _, to := range []int{0, 1, 63, 64, 65, 700} {
				numbers, err := counted(t, n.bus, count{To: to})
				if diff := cmp.Diff(upTo(to), append([]int{}, numbers...)); diff != "" || err != nil {
					t.Errorf("to %d: error %v: %s", to, err, diff)
				}
			}
			numbers, err := counted(t, n.bus, count{To: 3, Fails: true})
			if rejected, ok := errors.AsType[*carillon.RejectedError](err); !ok || rejected.Reason != "no more than 3" || len(numbers) != 3 {
				t.Errorf("%v, and then error %v", numbers, err)
			}
			if _, err = counted(t, n.bus, count{To: -1}); !errors.Is(err, carillon.ErrRejected) {
				t.Errorf("a stream that does not begin: %v", err)
			}
		}
		if counts := shop.Counts(); counts.Late != 0 || counts.Waiting != 0 {
			t.Errorf("after all was answered: %+v", counts)
		}
	})
}

// TestLeavingAStream leaves the loop early: the handler stops, and has not run ahead by more than a window.
func TestLeavingAStream(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, s site) {
		t.Helper()
		topic := countsTopic()
		var c counting
		s.node(t, c.endpoint(), messaging.Serve("bank", topic))
		shop, _ := s.node(t, messaging.Remote("shop", topic))
		answer, err := cqrs.Ask[iter.Seq2[int, error]](t.Context(), shop.bus, count{To: 1 << 40})
		must(t, err)
		for n, err := range answer {
			if must(t, err); n == 100 {
				break
			}
		}
		limit := time.After(5 * time.Second)
		for c.ended.Load() == 0 {
			select {
			case <-limit:
				t.Fatal("the handler goes on")
			case <-time.After(time.Millisecond):
			}
		}
		if yielded := c.yielded.Load(); yielded < 100 || yielded > 100+2*64 {
			t.Errorf("the handler yielded %d parts, of which 100 were taken", yielded)
		}
		if waiting := shop.Counts().Waiting; waiting != 0 {
			t.Errorf("%d callers wait", waiting)
		}
	})
}

// meddling is a broker that does what it likes with the messages of some topics.
type meddling struct {
	carillon.Broker
	publish func(m carillon.Message) []carillon.Message
}

func (m meddling) OpenBroker(context.Context) (carillon.Broker, error) { return m, nil }

func (m meddling) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	var all []carillon.Message
	for _, message := range messages {
		all = append(all, m.publish(message)...)
	}
	if len(all) == 0 {
		return nil
	}
	return m.Broker.Publish(ctx, topic, all)
}

// partOf is the number of a part; 0 for what is none.
func partOf(m *carillon.Message) int {
	n, err := strconv.Atoi(m.Headers["streampart"])
	if err != nil {
		return 0
	}
	return n
}

// TestPartsThatGoAstray loses, repeats and delays parts.
func TestPartsThatGoAstray(t *testing.T) {
	t.Parallel()
	var delayed []carillon.Message
	tests := []struct {
		name    string
		publish func(m carillon.Message) []carillon.Message
		got     int
		broken  bool
	}{
		{"sound", func(m carillon.Message) []carillon.Message { return []carillon.Message{m} }, 200, false},
		{"twice", func(m carillon.Message) []carillon.Message { return []carillon.Message{m, m} }, 200, false},
		{"out of order", func(m carillon.Message) []carillon.Message {
			if n := partOf(&m); n > 0 && n%2 == 1 && m.Headers["streamend"] == "" {
				delayed = append(delayed, m)
				return nil
			}
			all := append([]carillon.Message{m}, delayed...)
			delayed = nil
			return all
		}, 200, false},
		{"one missing", func(m carillon.Message) []carillon.Message {
			if partOf(&m) == 150 {
				return nil
			}
			return []carillon.Message{m}
		}, 149, true},
		{"no end", func(m carillon.Message) []carillon.Message {
			if m.Headers["streamend"] != "" {
				return nil
			}
			return []carillon.Message{m}
		}, 200, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				topic, between := countsTopic(), memory.Volatile()
				var c counting
				s := site{store: func() carillon.Store { return memory.Volatile() }, broker: meddling{between.Broker(), test.publish}}
				_, stopBank := s.node(t, c.endpoint(), messaging.Serve("bank", topic))
				s.broker = between
				shop, stopShop := s.node(t, messaging.Remote("shop", topic))
				numbers, err := counted(t, shop.bus, count{To: 200})
				if !slices.Equal(numbers, upTo(test.got)) || errors.Is(err, messaging.ErrInterrupted) != test.broken || errors.Is(err, carillon.ErrTimeout) != test.broken {
					t.Errorf("%d numbers came, want %d; error %v", len(numbers), test.got, err)
				}
				if late := shop.Counts().Late; test.name == "twice" && late < 200 {
					t.Errorf("%d repeats were dropped, want 200", late)
				}
				elapse(time.Minute)
				if c.ended.Load() != 1 {
					t.Error("the handler goes on")
				}
				stopShop()
				stopBank()
			})
		})
	}
}

// TestASlowLoop takes longer over each part than the server waits for a sign of its caller. A caller who is gone without a word ends the
// stream.
func TestASlowLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topic, between := countsTopic(), memory.Volatile()
		var c counting
		s := site{store: func() carillon.Store { return memory.Volatile() }, broker: between}
		bank, stopBank := s.node(t, c.endpoint(), messaging.Serve("bank", topic))
		var gone atomic.Bool
		s.broker = meddling{between.Broker(), func(m carillon.Message) []carillon.Message {
			if gone.Load() {
				return nil
			}
			return []carillon.Message{m}
		}}
		shop, stopShop := s.node(t, messaging.Remote("shop", topic))
		answer, err := cqrs.Ask[iter.Seq2[int, error]](t.Context(), shop.bus, count{To: 100})
		must(t, err)
		taken := 0
		for _, err := range answer {
			must(t, err)
			taken++
			elapse(20 * time.Second)
		}
		if taken != 100 {
			t.Errorf("%d parts came", taken)
		}
		answer, err = cqrs.Ask[iter.Seq2[int, error]](t.Context(), shop.bus, count{To: 1 << 40})
		must(t, err)
		for _, err := range answer {
			must(t, err)
			gone.Store(true)
			break
		}
		elapse(9 * time.Second)
		if c.ended.Load() != 1 {
			t.Error("the handler stopped before its patience was at an end")
		}
		elapse(2 * time.Second)
		if yielded := c.yielded.Load() - 100; c.ended.Load() != 2 || yielded > 65 {
			t.Errorf("%d streams ended, the last after %d parts", c.ended.Load(), yielded)
		}
		if counts := bank.Counts(); counts.Unanswered != 1 {
			t.Errorf("%+v", counts)
		}
		stopShop()
		stopBank()
	})
}

// TestAQuietHandlerIsStopped leaves a stream whose handler waits for something: its context ends.
func TestAQuietHandlerIsStopped(t *testing.T) {
	t.Parallel()
	for _, first := range []int{0, 1} {
		t.Run(strconv.Itoa(first)+" parts", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, topic := inMemory(), countsTopic()
				var waited time.Duration
				quiet := asked("count", func(ctx context.Context, _ count) (iter.Seq2[int, error], error) {
					return func(yield func(int, error) bool) {
						began := time.Now()
						for n := range first {
							yield(n, nil)
						}
						<-ctx.Done()
						waited = time.Since(began)
					}, nil
				})
				_, stopBank := s.node(t, quiet, messaging.Serve("bank", topic))
				shop, stopShop := s.node(t, messaging.Remote("shop", topic, messaging.Timeout(3*time.Second)))
				numbers, err := counted(t, shop.bus, count{})
				if len(numbers) != first || !errors.Is(err, carillon.ErrTimeout) {
					t.Errorf("%v, error %v", numbers, err)
				}
				elapse(time.Second)
				if waited != 3*time.Second {
					t.Errorf("the handler was stopped after %v", waited)
				}
				stopShop()
				stopBank()
			})
		})
	}
}
