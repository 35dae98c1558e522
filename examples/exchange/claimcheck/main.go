// Claimcheck sends a document larger than a broker takes: the message carries a reference, and the payload lies in a directory.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/carillon-go/carillon/adapter/filesystem"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
)

// Scan is a document.
type Scan struct {
	Name  string
	Pages []byte
}

// scansIn is the topic: what is larger than 64 KiB goes to the directory, and stays for 30 days.
func scansIn(directory string) *messaging.Topic {
	return messaging.NewTopic("scans",
		messaging.Document[Scan]("scan"),
		messaging.ClaimCheck(64<<10, filesystem.Directory(directory)),
		messaging.Retention(30*24*time.Hour))
}

func run(ctx context.Context, out *log.Logger, directory string) error {
	broker, scans, done := memory.Volatile(), scansIn(directory), make(chan Scan, 1)
	return exchange.Together(ctx, func(ctx context.Context, scanner *app.Running) error {
		if err := scanner.Messages.Publish(ctx, scans, Scan{Name: "contract", Pages: make([]byte, 5<<20)}); err != nil {
			return err
		}
		scan := <-done
		out.Printf("%s has arrived with %d bytes", scan.Name, len(scan.Pages))
		return nil
	},
		exchange.Service(broker, scans),
		exchange.Service(broker, messaging.Consume("archive", scans,
			messaging.On(func(_ context.Context, _ *messaging.Tx, scan Scan) error {
				done <- scan
				return nil
			}))))
}

func main() {
	directory, err := os.MkdirTemp("", "scans")
	if err == nil {
		defer os.RemoveAll(directory)
		err = run(context.Background(), log.New(os.Stdout, "", 0), directory)
	}
	if err != nil {
		log.Print(err)
	}
}
