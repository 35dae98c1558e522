package styles_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/examples/styles"
)

// orders is how many orders the benchmark places.
const orders = 2000

// measured is a style and how its cost is measured.
type measured struct {
	name     string
	parts    func(topics services.Topics) []carillon.Describer
	answer   styles.Answer
	rebuilds string // the view that is made anew
}

// BenchmarkStyles places orders in a shop with one style and without any, waits for the answer, and reports how many bytes of the store's
// file an order takes and how many orders pass in a second.
func BenchmarkStyles(b *testing.B) {
	for _, style := range []measured{
		{name: "none", parts: func(services.Topics) []carillon.Describer { return nil }},
		{
			name: "event-driven", answer: styles.Booked,
			parts: func(topics services.Topics) []carillon.Describer { return styles.EventDriven(topics.Orders) },
		},
		{
			name: "event-streaming", answer: styles.Viewed, rebuilds: "sales",
			parts: func(services.Topics) []carillon.Describer { return styles.EventStreaming() },
		},
		{
			name: "stateful-streaming", answer: styles.Totalled,
			parts: func(topics services.Topics) []carillon.Describer { return styles.StatefulStreaming(topics.Orders) },
		},
	} {
		b.Run(style.name, func(b *testing.B) {
			for range b.N {
				style.measure(b)
			}
		})
	}
}

func (style measured) measure(b *testing.B) {
	b.Helper()
	directory, topics := b.TempDir(), services.NewTopics()
	running, stop := start(b, newShop(directory, topics, style.parts(topics)...))
	began := time.Now()
	work := make(chan int)
	failures := make(chan error, 64)
	for range cap(failures) {
		go func() {
			for number := range work {
				if err := place(b.Context(), running, number); err != nil {
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	for number := range orders {
		work <- number
	}
	close(work)
	for range cap(failures) {
		if err := <-failures; err != nil {
			b.Fatal(err)
		}
	}
	forwarded(b, running)
	if style.answer != nil {
		if err := await(b.Context(), running, style.answer, expected(0, orders, true)); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	if style.rebuilds != "" {
		began = time.Now()
		if err := running.Projections.Rebuild(b.Context(), style.rebuilds); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/rebuild")
	}
	stop()
	info, err := os.Stat(filepath.Join(directory, "shop.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/float64(orders), "bytes/order")
	b.ReportMetric(float64(orders)/took.Seconds(), "orders/s")
}
