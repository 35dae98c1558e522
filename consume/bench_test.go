package consume_test

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

const (
	benchBatch = 256
	benchKeys  = 10_000
)

// benchNames are the keys of benchmarks.
func benchNames() []string {
	names := make([]string, benchKeys)
	for i := range names {
		names[i] = fmt.Sprintf("order-%d", i)
	}
	return names
}

// benchSource yields n deliveries over keys in turn, without allocating.
func benchSource(n int, keys []string) consume.Source[int] {
	return func(context.Context) iter.Seq2[consume.Batch[int], error] {
		return func(yield func(consume.Batch[int], error) bool) {
			deliveries := make([]consume.Delivery[int], 0, benchBatch)
			for at := 0; at < n; {
				deliveries = deliveries[:0]
				for ; at < n && len(deliveries) < benchBatch; at++ {
					deliveries = append(deliveries, consume.Delivery[int]{
						Position: carillon.Position(at + 1), Key: keys[at%len(keys)], Value: at,
					})
				}
				if !yield(consume.Batch[int]{Deliveries: deliveries, Through: carillon.Position(at)}, nil) {
					return
				}
			}
		}
	}
}

func noCommit(context.Context, consume.Commit[int]) error { return nil }

// BenchmarkEmptyHandler is what a delivery costs beyond its handler, to compare with BenchmarkEmptyHandlerByHand.
func BenchmarkEmptyHandler(b *testing.B) {
	for _, keys := range []int{64, benchKeys} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			b.ReportAllocs()
			empty := func(context.Context, int) error { return nil }
			c := consume.New(benchSource(b.N, benchNames()[:keys]), empty, noCommit, consume.Workers(64))
			b.ResetTimer()
			if err := c.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkEmptyHandlerByHand is the program one would write instead: eight goroutines, each with a channel of its own, and a
// delivery goes to the one its key hashes to. It has no retries, no checkpoint and no bound but the channels.
func BenchmarkEmptyHandlerByHand(b *testing.B) {
	for _, keys := range []int{64, benchKeys} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			b.ReportAllocs()
			source := benchSource(b.N, benchNames()[:keys])
			empty := func(context.Context, int) error { return nil }
			seed := maphash.MakeSeed()
			var lanes [8]chan consume.Delivery[int]
			var ended sync.WaitGroup
			b.ResetTimer()
			for i := range lanes {
				lanes[i] = make(chan consume.Delivery[int], 128)
				ended.Go(func() {
					for delivery := range lanes[i] {
						if err := empty(b.Context(), delivery.Value); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for batch, err := range source(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
				for _, delivery := range batch.Deliveries {
					lanes[maphash.String(seed, delivery.Key)%8] <- delivery
				}
			}
			for _, lane := range lanes {
				close(lane)
			}
			ended.Wait()
		})
	}
}

// BenchmarkWaitingHandler is the throughput of a handler that waits for a millisecond, which lanes in parallel multiply.
func BenchmarkWaitingHandler(b *testing.B) {
	for _, lanes := range []int{1, 64} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			wait := func(context.Context, int) error {
				<-time.After(time.Millisecond)
				return nil
			}
			c := consume.New(benchSource(b.N, benchNames()), wait, noCommit, consume.Workers(lanes))
			b.ResetTimer()
			if err := c.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
