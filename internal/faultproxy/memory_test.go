package faultproxy_test

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/faultproxy"
)

const (
	// payload is how many bytes of payload a message has here, and burst how many messages a call.
	payload = 4 << 10
	burst   = 250
	// bursts is how many go through each outbox while nobody can be reached, before the measure and again within it. They are more than
	// what a store keeps of its newest messages, and a relay of its oldest, together.
	bursts = 20
	// publishers is how many callers of each port there are.
	publishers = 4
	// mostHeap is how much more memory may be in use after the measure.
	mostHeap = 16 << 20
)

// TestMemoryIsBounded publishes to brokers that take everything and answer nothing. Buffers fill, and then what waits is in the stores
// alone, however much it is.
func TestMemoryIsBounded(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	var services []*service
	var proxies []*faultproxy.Proxy
	for _, b := range brokers() {
		p, opener := b.open(t)
		s := start(t, opener)
		must(t, s.port.Publish(t.Context(), direct, large(0, 1))) // it is connected, and knows the topic
		services, proxies = append(services, s), append(proxies, p)
	}
	for _, p := range proxies {
		p.Set(faultproxy.HalfOpen())
	}
	pour(t, services, 0)
	before := heap()
	published := pour(t, services, bursts)
	after := heap()
	t.Logf("%d MiB were published, and %.1f MiB more are in use", published>>20, float64(after-before)/(1<<20))
	if after-before > mostHeap {
		t.Errorf("%d MiB more are in use", (after-before)>>20)
	}
	if kept := hoarded(int(published) / burst / payload); kept < 3*mostHeap {
		t.Errorf("who keeps all that is not confirmed in memory takes %d MiB, which the measure does not tell from a bound", kept>>20)
	}
	for _, p := range proxies {
		p.Heal()
	}
}

// pour publishes through the outboxes, from a burst on, and past them meanwhile. It returns how many bytes of payload it published.
func pour(t *testing.T, services []*service, from int) int64 {
	t.Helper()
	var published atomic.Int64
	var publishing sync.WaitGroup
	calling, stop := context.WithTimeout(t.Context(), 2*limit)
	defer stop()
	for _, s := range services {
		publishing.Go(func() {
			broker := s.outbox.Broker()
			for n := from; n < from+bursts; n++ {
				if err := broker.Publish(t.Context(), outboxed, large(n*burst, burst)); err != nil {
					t.Error(err)
				}
				published.Add(burst * payload)
			}
			if err := broker.Close(); err != nil {
				t.Error(err)
			}
		})
		for range publishers {
			publishing.Go(func() {
				for n := 0; calling.Err() == nil; n++ {
					if err := s.port.Publish(t.Context(), direct, large(n*burst, burst)); err == nil {
						t.Errorf("%s: a broker that answers nothing has confirmed", s.port.Capabilities().Broker)
					}
					published.Add(burst * payload)
				}
			})
		}
	}
	publishing.Wait()
	return published.Load()
}

// large makes messages that fill their payload.
func large(first, count int) []carillon.Message {
	messages := make([]carillon.Message, count)
	for i := range messages {
		m := message(direct, i%keys, first+i)
		m.ID += "-large"
		m.Payload = append(m.Payload[:len(m.Payload)-1], `,"Filling":"`...)
		m.Payload = append(m.Payload, bytes.Repeat([]byte("x"), payload-len(m.Payload)-2)...)
		m.Payload = append(m.Payload, `"}`...)
		messages[i] = m
	}
	return messages
}

// hoarded is how much memory so many bursts take for a publisher that keeps them until they are confirmed.
func hoarded(bursts int) int64 {
	before := heap()
	kept := make([][]carillon.Message, 0, bursts)
	for n := range bursts {
		kept = append(kept, large(n*burst, burst))
	}
	after := heap()
	runtime.KeepAlive(kept)
	return after - before
}

// heap is how many bytes are in use once what is not is collected.
func heap() int64 {
	var stats runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
