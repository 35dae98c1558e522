// Command bench measures Carillon against what can be written by hand on the same drivers, and against its peers.
//
// Everything that is compared is measured in one run, by turns, several times over; what is printed first are ratios. A side that
// did not do its work ends the run with an error.
//
//	go run . [-quick] [-only REGEXP] [-postgres URL] [-json] [-write FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"strings"
	"time"
)

// entry is a contest by name. It is built when its turn comes.
type entry struct {
	name  string
	build func(context.Context, *workspace) (*contest, error)
}

// contests lists all contests, in the order of the table.
func contests() []entry {
	return []entry{
		{"append", appends},
		{"conditional", conditional},
		{"command", commands},
		{"rivals", rivals},
		{"catchup", catchUp},
		{"load", loads},
		{"snapshot", snapshotLoads},
		{"rebuild-live", rebuildLive},
		{"growth", growth},
		{"import", imports},
		{"pg-append", pgAppends},
		{"pg-conditional", pgConditional},
		{"pg-command", pgCommands},
		{"pg-catchup", pgCatchUp},
		{"pg-rebuild", pgRebuilds},
		{"pg-processes", pgProcesses},
		{"consume", consumers},
		{"in-process", inProcess},
		{"sqlite-topic", sqliteTopics},
		{"pg-topic", pgTopics},
		{"jetstream", jetStreams},
		{"jetstream-later", jetStreamsLater},
		{"rabbitmq", rabbitMQ},
		{"redis", redisStreams},
		{"kafka", kafkaTopics},
		{"sqlite-relay", relays(onSQLite, false)},
		{"sqlite-relay-later", relays(onSQLite, true)},
		{"pg-relay", relays(onPostgreSQL, false)},
		{"pg-relay-later", relays(onPostgreSQL, true)},
		{"sqlite-inbox", inboxes(onSQLite)},
		{"pg-inbox", inboxes(onPostgreSQL)},
	}
}

// errSkip: a contest cannot be held here. The text says why.
var errSkip = errors.New("not measured")

type settings struct {
	quick, json        bool
	only, write, dir   string
	retail, cpuProfile string
	postgres           string
	repetitions        int
	duration           time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&s.quick, "quick", false, "a small run that shows that everything works, in place of a measurement")
	flags.BoolVar(&s.json, "json", false, "print the result as one JSON object")
	flags.StringVar(&s.only, "only", "", "measure the contests whose name matches this `regexp`: "+strings.Join(names(), ", "))
	flags.StringVar(&s.write, "write", "", "write the result as a page to this `file` too")
	flags.StringVar(&s.dir, "dir", "", "keep the files below this `directory`, on the disk to be measured (default: a temporary one)")
	flags.StringVar(&s.retail, "retail", "../../shared/data/online-retail.csv.gz", "the retail `file` to import")
	flags.StringVar(&s.postgres, "postgres", "", "the `URL` of a PostgreSQL database (default: CARILLON_TEST_POSTGRES)")
	flags.StringVar(&s.cpuProfile, "cpuprofile", "", "write a profile to this `file`; go tool pprof -tagfocus shows one side")
	flags.IntVar(&s.repetitions, "repetitions", 0, "measure each side so many `times` (default: 5)")
	flags.DurationVar(&s.duration, "duration", 0, "let each timed run last so `long` (default: 1.2s)")
	err := flags.Parse(args)
	if s.postgres == "" { // not the flag's default, which its help would show, password and all
		s.postgres = os.Getenv("CARILLON_TEST_POSTGRES")
	}
	return s, err
}

func names() []string {
	var list []string
	for _, e := range contests() {
		list = append(list, e.name)
	}
	return list
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == taskArgument {
		return task(ctx, args[1:], out)
	}
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	only, err := regexp.Compile(s.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	dir, err := os.MkdirTemp(s.dir, "carillon-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stop, err := s.profile()
	if err != nil {
		return err
	}
	r, err := measureAll(ctx, s, only, dir)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	if s.write != "" {
		if err := r.writePage(s.write); err != nil {
			return err
		}
	}
	if s.json {
		return r.writeJSON(out)
	}
	return r.writeText(out)
}

// profile starts a profile of the processor's time if one is wanted. stop ends it.
func (s settings) profile() (stop func() error, err error) {
	if s.cpuProfile == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(s.cpuProfile)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

func (s settings) scale() scale {
	sc := fullScale()
	if s.quick {
		sc = quickScale()
	}
	if s.repetitions > 0 {
		sc.repetitions = s.repetitions
	}
	if s.duration > 0 {
		sc.duration = s.duration
	}
	return sc
}

// measureAll holds the contests one after another.
func measureAll(ctx context.Context, s settings, only *regexp.Regexp, dir string) (*report, error) {
	sc := s.scale()
	where, err := describeMachine(ctx, dir, s.postgres)
	if err != nil {
		return nil, err
	}
	r := &report{
		Date: time.Now().UTC().Truncate(time.Second), Machine: where, Quick: sc.quick,
		Repetitions: sc.repetitions, Seconds: sc.duration.Seconds(),
	}
	for _, e := range contests() {
		if !only.MatchString(e.name) {
			continue
		}
		if err := hold(ctx, e, s, dir, r); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if len(r.Rows)+len(r.Skipped) == 0 {
		return nil, fmt.Errorf("-only %q names none of %s", s.only, strings.Join(names(), ", "))
	}
	return r, nil
}

// hold holds one contest in a directory of its own, which is gone afterwards.
func hold(ctx context.Context, e entry, s settings, dir string, r *report) (err error) {
	own, err := os.MkdirTemp(dir, e.name+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(own)
	w := &workspace{scale: s.scale(), dir: own, retail: s.retail, postgres: s.postgres, say: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}}
	w.say("%s", e.name)
	c, err := e.build(ctx, w)
	if errors.Is(err, errSkip) {
		w.say("  %v", err)
		r.Skipped = append(r.Skipped, fmt.Sprintf("%s: %v", e.name, err))
		return nil
	}
	if err != nil {
		return err
	}
	if c.close != nil {
		defer func() { err = errors.Join(err, c.close()) }()
	}
	o, err := c.measure(ctx, w)
	if err != nil {
		return err
	}
	r.add(c, o)
	return nil
}
