package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/retail"
	"github.com/carillon-go/carillon/rest"
)

const (
	defaultAddress = "127.0.0.1:8080"
	// storeName and rejectsName are the files of the data directory.
	storeName   = "shop.db"
	rejectsName = "rejects.csv"
)

// demo runs the shop.
type demo struct {
	directory string
	address   string
	file      string
	sample    int
	rejects   string
	store     storeFlag
	services  bool
	processes bool
	service   string
	broker    brokerFlag
	payments  string // the URL of the provider, empty when there is none
	exit      bool
	json      bool
	std       *stdio
	children  sync.WaitGroup
	others    progressOf // how far the other services have come, nil when there are none
}

func newDemo(std *stdio) *cobra.Command {
	d := &demo{std: std}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Run the shop",
		Long: "Runs the example shop, with everything in one file of the data directory or in the store of --store, and prints its\n" +
			"addresses. It serves until it is interrupted.\n\n" +
			"--import feeds a retail file, CSV or gzip, through the command side; rows it cannot accept go to the rejects file with\n" +
			"line number and reason. An import that was broken off, or runs again, goes on where it was and adds nothing twice.\n" +
			"Afterwards it prints what the log holds and what this run met again. --sample needs no file; the same number makes the\n" +
			"same invoices.\n\n" +
			"--services runs the shop as five services that hand each other messages: every order is paid, reserved, shipped and\n" +
			"its customer told, once. With --exit it stops when they have come to the end of it. They run in this process, or with\n" +
			"--processes each in one of its own, on a store of its own in the data directory. Orders are charged at the provider of\n" +
			"--payments: while it does not answer they are accepted all the same and wait, as the page of --services shows.",
		Example: "  carillon demo --sample 1000\n" +
			"  carillon demo --dir data --import online-retail.csv.gz --exit --json",
		Args: arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error { return d.run(command.Context()) },
	}
	flags := command.Flags()
	flags.StringVar(&d.store.url, "store", "", "keep the data in the store of this `URL` instead: "+storeForms)
	flags.StringVar(&d.directory, "dir", "", "keep the data in this `DIRECTORY`; without it in a temporary one, removed at exit")
	flags.StringVar(&d.address, "addr", defaultAddress, "serve on this `HOST:PORT`")
	flags.StringVar(&d.file, "import", "", "feed a retail `FILE` through the command side")
	flags.IntVar(&d.sample, "sample", 0, "feed this `NUMBER` of generated invoices instead")
	flags.StringVar(&d.rejects, "rejects", "", "the `FILE` for rows that are not accepted (default rejects.csv of the data directory)")
	flags.BoolVar(&d.services, "services", false, "run payments, inventory, shipping and notifications too, with topics between them")
	flags.BoolVar(&d.processes, "processes", false, "run each of the services in a process of its own, with the broker of --broker between them")
	flags.StringVar(&d.service, "service", "", "run one service other than orders, `NAME`, alone")
	flags.StringVar(&d.broker.url, "broker", "", "move messages through the broker of this `URL` in place of the store's topics: "+brokerForms)
	flags.StringVar(&d.payments, "payments", "", "charge orders by POST to this `URL`; without it the money is taken at once")
	flags.BoolVar(&d.exit, "exit", false, "stop when the import is done and every read model has caught up")
	flags.BoolVar(&d.json, "json", false, "print the summary as one JSON object on the last line")
	return command
}

func (d *demo) run(ctx context.Context) (err error) {
	if err := d.check(); err != nil {
		return err
	}
	input, err := d.open() // before anything is made
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, input.close()) }()
	directory, remove, err := d.dataDirectory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := d.rejectTo(input, directory); err != nil {
		return err
	}
	if d.service != "" {
		return d.serveOne(ctx, directory)
	}
	return d.serve(ctx, directory, input)
}

func (d *demo) check() error {
	if _, _, err := net.SplitHostPort(d.address); err != nil {
		return usagef("--addr %q: write HOST:PORT, such as %s", d.address, defaultAddress)
	}
	if d.sample < 0 {
		return usagef("--sample %d: it is 0 or more", d.sample)
	}
	if d.file != "" && d.sample > 0 {
		return usagef("--import and --sample: say one of them")
	}
	if d.store.url != "" && d.directory != "" {
		return usagef("--store and --dir: say one of them")
	}
	if err := d.checkServices(); err != nil {
		return err
	}
	if d.rejects != "" && d.file == "" && d.sample == 0 {
		return usagef("--rejects: nothing is imported: say --import or --sample")
	}
	return nil
}

// dataDirectory makes the directory, and how to remove it if it is a temporary one.
func (d *demo) dataDirectory() (directory string, remove func() error, err error) {
	if d.directory == "" {
		directory, err = os.MkdirTemp("", "carillon-demo-")
		return directory, func() error { return os.RemoveAll(directory) }, advise(err, "name a directory with --dir")
	}
	if err := os.MkdirAll(d.directory, 0o700); err != nil {
		return "", nil, advise(err, "name another directory with --dir")
	}
	directory, err = filepath.Abs(d.directory)
	return directory, func() error { return nil }, err
}

// rejectTo names the file for rows that are not accepted.
func (d *demo) rejectTo(input *feed, directory string) error {
	switch {
	case d.rejects != "":
		return input.rejectTo(d.rejects, "")
	case d.directory == "":
		return input.rejectTo(filepath.Join(directory, rejectsName), " (removed at exit, --rejects keeps it)")
	default:
		return input.rejectTo(filepath.Join(directory, rejectsName), "")
	}
}

// serve runs the shop until the context ends, or until the import is done if that is asked for.
func (d *demo) serve(ctx context.Context, directory string, input *feed) error {
	logger := slog.New(slog.NewTextHandler(d.std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	opener, err := d.opener(directory)
	if err != nil {
		return err
	}
	parts := []carillon.Describer{app.LogTo(logger)}
	more, err := d.serviceParts()
	if err != nil {
		return err
	}
	parts = append(parts, more...)
	service, server := shop.New(opener, d.address, parts...)
	// An interrupt ends the use of the service first, and the service after it.
	serving, stopService := context.WithCancel(context.WithoutCancel(ctx))
	defer stopService()
	using, stopUse := context.WithCancel(ctx)
	defer stopUse()
	ended := make(chan error, 1)
	go func() {
		err := service.Run(serving)
		stopUse()
		ended <- err
	}()
	err = d.use(using, directory, service, server, input)
	if err == nil && !d.exit {
		<-using.Done()
	}
	stopUse()
	d.children.Wait()
	stopService()
	if failure := <-ended; failure != nil {
		err = failure // the cause of err, if there is one
	} else if ctx.Err() != nil && !d.exit && !input.began() {
		return nil // it was only serving
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "listen" {
		return advise(err, "choose another address with --addr")
	}
	return err
}

// opener is the store of --store, or the file of the data directory.
func (d *demo) opener(directory string) (carillon.Opener, error) {
	if d.store.url != "" {
		return d.store.opener()
	}
	return sqlite.File(filepath.Join(directory, storeName)), nil
}

// use does what the demo was started for.
func (d *demo) use(ctx context.Context, directory string, service *app.App, server *rest.Server, input *feed) error {
	running, err := service.Running(ctx)
	if err != nil {
		return err
	}
	address, err := server.Addr(ctx)
	if err != nil {
		return err
	}
	d.announce(address, directory)
	if err := d.startServices(ctx, running, directory); err != nil {
		return err
	}
	if !input.exists() && !d.exit {
		return nil
	}
	done, err := input.through(ctx, running, d.std.err)
	var s summary
	if err == nil {
		s, err = summarise(ctx, running, done)
	}
	if err == nil && d.others != nil {
		s.Services, err = awaitServices(ctx, s.Orders, d.others)
	}
	if err == nil && d.services { // their events stand in the same log
		s.Events, err = running.Log.Head(ctx)
	}
	if err != nil {
		return d.broken(ctx, err, running, input, directory)
	}
	to := d.std.out
	if d.json {
		to = d.std.err
		if err := d.std.out.object(s); err != nil {
			return err
		}
	} else {
		s.print(to, input)
	}
	if s.Rejected > 0 {
		to.printf("%d rows were not accepted, see %s\n", s.Rejected, printable(input.rejected))
	}
	return nil
}

// broken says why an import did not come to its end, and what stays.
func (d *demo) broken(ctx context.Context, err error, running *app.Running, input *feed, directory string) error {
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if !input.exists() {
		return advise(fmt.Errorf("read models: %w", err), "run it again, they catch up")
	}
	err = fmt.Errorf("import of %s: %w", input.name, err)
	head, unknown := running.Log.Head(context.WithoutCancel(ctx))
	if unknown != nil {
		return err
	}
	if d.directory == "" && d.store.url == "" {
		return advise(err, "%d events went with the temporary directory: name one with --dir to keep them", head)
	}
	again := "run it again"
	if _, ok := errors.AsType[*retail.InputError](err); ok {
		again = "mend the file and run it again"
	}
	if d.store.url != "" {
		directory = "the store"
	}
	return advise(err, "what was read stays in %s, %d events: %s, it goes on where it was", directory, head, again)
}

// announce prints where the shop is.
func (d *demo) announce(address, directory string) {
	to := d.std.out
	if d.json {
		to = d.std.err
	}
	switch {
	case d.store.isServer():
		directory = describedStore(d.store)
	case d.store.url != "":
		directory = d.store.url
	case d.directory == "":
		directory += " (removed at exit)"
	}
	site := "http://" + browsable(address)
	to.printf("Shop      %s/\nAPI docs  %s/docs\nOpenAPI   %s/openapi.json\nData      %s\n", site, site, site, directory)
	if !isLoopback(address) {
		d.std.err.printf("carillon: warning: %s can be reached from other machines, and there is no authentication\n", address)
	}
}

// describedStore is a server's store without its password.
func describedStore(store storeFlag) string {
	opener, err := store.opener()
	if err != nil {
		return store.scheme()
	}
	description := opener.(carillon.Describer).Describe()
	return description.Name + ", schema " + description.Detail["schema"]
}

// isLoopback reports whether only this machine can reach an address that is listened at.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	return net.ParseIP(host).IsLoopback()
}

// browsable is an address as a browser on this machine takes it.
func browsable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
