// Carillon runs the example shop, and looks into the logs and read models of event-sourced services.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/carillon-go/carillon/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
