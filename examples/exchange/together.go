// Package exchange runs the services of the examples below it side by side in one process. Apart from that they are as far from each other
// as in several: each has a store of its own, and they talk through a broker.
package exchange

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
)

// Service makes a service with a store of its own in memory, which talks through a broker.
func Service(broker carillon.BrokerOpener, parts ...carillon.Describer) *app.App {
	return app.New(memory.Volatile(), append(parts, app.Over(broker), app.LogTo(slog.New(slog.DiscardHandler)))...)
}

// Together runs services until do returns, which is called with the first of them when all are ready.
func Together(ctx context.Context, do func(ctx context.Context, first *app.Running) error, services ...*app.App) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(services))
	var all sync.WaitGroup
	for _, service := range services {
		all.Go(func() {
			ended <- service.Run(running)
			stop() // one that cannot start stops the others
		})
	}
	var first *app.Running
	var err error
	for i := len(services) - 1; i >= 0 && err == nil; i-- {
		if first, err = services[i].Running(running); err == nil {
			err = first.Messages.Ready(running)
		}
	}
	if err == nil {
		err = do(running, first)
	}
	stop()
	all.Wait()
	close(ended)
	for failed := range ended {
		err = errors.Join(err, failed)
	}
	return err
}
