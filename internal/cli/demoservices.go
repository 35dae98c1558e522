package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/services"
)

const (
	// progressEvery is how often the demo looks how far the services have come.
	progressEvery = 50 * time.Millisecond
	// restartAfter is how soon a service that died is started again.
	restartAfter = 500 * time.Millisecond
)

// progressOf tells how far the services have come together.
type progressOf func(context.Context) (services.Progress, error)

func (d *demo) checkServices() error {
	switch {
	case d.services && d.processes:
		return usagef("--services and --processes: say one of them")
	case d.processes && d.broker.url == "":
		return usagef("--processes: services in processes of their own need a broker between them: say --broker URL, %s", brokerForms)
	case d.broker.url != "" && !d.services && !d.processes && d.service == "":
		return usagef("--broker: nothing is published: say --services or --processes")
	case d.service != "" && (d.file != "" || d.sample > 0 || d.services || d.processes):
		return usagef("--service: it runs one service alone: leave out --import, --sample, --services and --processes")
	case d.payments != "" && !d.services && !d.processes && d.service != paymentsService:
		return usagef("--payments: no orders are charged: say --services or --processes")
	case d.processes && d.store.url != "":
		return usagef("--processes: each service has a file of its own in the data directory: leave out --store")
	}
	return nil
}

// serviceParts are what the shop has beside itself.
func (d *demo) serviceParts() ([]carillon.Describer, error) {
	topics := services.NewTopics()
	var parts []carillon.Describer
	switch {
	case d.services:
		charging := d.charging()
		parts = append(services.All(topics), charging.Part(), shop.Report(charging.Status))
	case d.processes:
		parts = services.Beside(topics)
	default:
		return nil, nil
	}
	if d.broker.url == "" {
		return parts, nil
	}
	broker, err := d.broker.opener()
	return append(parts, app.Over(broker)), err
}

// paymentsService is the service that charges orders.
const paymentsService = "payments"

// charging charges orders where the flags say.
func (d *demo) charging() *services.Charging {
	if d.payments == "" {
		return services.NewCharging(nil)
	}
	return services.NewCharging(services.ChargeAt(d.payments, http.DefaultClient))
}

// serveOne runs one of the other services until the context ends, and says when it is ready.
func (d *demo) serveOne(ctx context.Context, directory string) error {
	parts, err := services.Of(d.service, services.NewTopics())
	if err != nil {
		return usagef("--service %s: there are %s", d.service, strings.Join(services.Names()[1:], ", "))
	}
	if d.broker.url != "" {
		broker, err := d.broker.opener()
		if err != nil {
			return err
		}
		parts = append(parts, app.Over(broker))
	}
	if d.service == paymentsService {
		parts = append(parts, d.charging().Part())
	}
	logger := slog.New(slog.NewTextHandler(d.std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	service := app.New(sqlite.File(filepath.Join(directory, d.service+".db")), append(parts, app.LogTo(logger))...)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	running, err := service.Running(ctx)
	if err == nil {
		err = running.Messages.Ready(ctx)
	}
	if err == nil {
		d.std.out.printf("%s is ready\n", d.service)
	}
	if failure := <-ended; failure != nil || ctx.Err() != nil {
		return failure
	}
	return err
}

// startServices starts the services beside the shop, and returns when they are ready.
func (d *demo) startServices(ctx context.Context, running *app.Running, directory string) error {
	switch {
	case d.services:
		d.others = func(ctx context.Context) (services.Progress, error) { return services.ProgressOf(ctx, running) }
	case d.processes:
		for _, name := range services.Names()[1:] {
			if err := d.startProcess(ctx, name, directory); err != nil {
				return err
			}
		}
		d.others = func(ctx context.Context) (services.Progress, error) { return progressOfFiles(ctx, directory) }
	default:
		return nil
	}
	return running.Messages.Ready(ctx)
}

// startProcess runs a service in a process of its own until the context ends, and again whenever it dies. It returns when the service is
// ready for the first time.
func (d *demo) startProcess(ctx context.Context, name, directory string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	var once sync.Once
	var failed error
	d.children.Go(func() {
		for ctx.Err() == nil {
			arguments := []string{"demo", "--service", name, "--dir", directory, "--broker", d.broker.url}
			if name == paymentsService && d.payments != "" {
				arguments = append(arguments, "--payments", d.payments)
			}
			child := exec.CommandContext(ctx, program, arguments...)
			child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
			child.WaitDelay = time.Minute
			child.Stderr = os.Stderr
			out, err := child.StdoutPipe()
			if err == nil {
				err = child.Start()
			}
			if err != nil {
				failed = err
				once.Do(func() { close(ready) })
				return
			}
			d.std.err.printf("%s runs as process %d\n", name, child.Process.Pid)
			for lines := bufio.NewScanner(out); lines.Scan(); {
				once.Do(func() { close(ready) })
			}
			err = child.Wait()
			if ctx.Err() == nil {
				d.std.err.printf("%s ended, %v; it starts again\n", name, err)
				timer := time.NewTimer(restartAfter)
				select {
				case <-timer.C:
				case <-ctx.Done():
					timer.Stop()
				}
			}
		}
	})
	select {
	case <-ready:
		return failed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// progressOfFiles adds up what the stores of all services hold.
func progressOfFiles(ctx context.Context, directory string) (sum services.Progress, err error) {
	for _, name := range services.Names()[1:] {
		p, err := progressOfFile(ctx, filepath.Join(directory, name+".db"))
		if err != nil {
			return sum, fmt.Errorf("service %s: %w", name, err)
		}
		sum.Payments += p.Payments
		sum.Paid += p.Paid
		sum.Shipments += p.Shipments
		sum.Reservations += p.Reservations
		sum.Units += p.Units
		sum.Notifications += p.Notifications
	}
	return sum, nil
}

func progressOfFile(ctx context.Context, path string) (p services.Progress, err error) {
	store, err := sqlite.ReadOnly(path).Open(ctx)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return services.ProgressIn(ctx, store)
}

// awaitServices waits until every order was paid, reserved and shipped, and its customer told.
func awaitServices(ctx context.Context, orders int64, progress progressOf) (*services.Progress, error) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		p, err := progress(ctx)
		if err != nil || min(p.Payments, p.Reservations, p.Shipments, p.Notifications) >= orders {
			return &p, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return &p, ctx.Err()
		}
	}
}
