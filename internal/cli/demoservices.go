package cli

import (
	"context"
	"time"

	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop/services"
)

// progressEvery is how often the demo looks how far the services have come.
const progressEvery = 50 * time.Millisecond

// awaitServices waits until every order was paid and shipped, and its customer told.
func awaitServices(ctx context.Context, running *app.Running, orders int64) (*services.Progress, error) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		p, err := services.ProgressOf(ctx, running)
		if err != nil || p.Payments >= orders && p.Shipments >= orders && p.Notifications >= orders {
			return &p, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return &p, ctx.Err()
		}
	}
}
