package inprocess_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream/inprocess"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/messaging"
)

// servedDirectory tells a child of the test in which directory to serve.
const servedDirectory = "CARILLON_TEST_SERVED_DIRECTORY"

// The service has two consumers: one takes everything, one lets the messages from a number on wait as long as it is told to. Of each of the
// keys some messages are published while it runs, and some while it does not.
const (
	keysOfService = 5
	taken         = 20 // of each key, by both
	confirmed     = 40 // by the broker
	unconfirmed   = 10 // more, that no broker was told of
	slowName      = "slow"
	fastName      = "fast"
)

type step struct {
	Walk   string
	Number int
}

func (s step) Key() string { return s.Walk }

func steps() *messaging.Topic {
	return messaging.NewTopic("steps", messaging.Event[step]("step.made"))
}

// service publishes, and consumes, over a broker of its own.
type service struct {
	store  *sqlite.Store
	engine *messaging.Engine
	topic  *messaging.Topic
}

// newService opens the store of a directory. The slow consumer handles messages below a number.
func newService(ctx context.Context, directory string, below int, opener carillon.BrokerOpener) (*service, error) {
	store, err := sqlite.File(filepath.Join(directory, "store.db")).Open(ctx)
	if err != nil {
		return nil, err
	}
	s := &service{store: store.(*sqlite.Store), topic: steps()}
	s.engine = messaging.NewEngine(store, messaging.Over(opener))
	err = s.engine.Publishes(s.topic)
	for name, most := range map[string]int{fastName: 1 << 30, slowName: below} {
		if err == nil {
			err = s.engine.Add(messaging.Consume(name, s.topic, messaging.On(func(_ context.Context, tx *messaging.Tx, made step) error {
				if made.Number >= most {
					return carillon.ErrUnavailable
				}
				done, _, err := messaging.Load[[]int](tx, made.Walk)
				if err != nil {
					return err
				}
				return messaging.Save(tx, made.Walk, append(done, made.Number))
			})))
		}
	}
	return s, err
}

// publish publishes the steps of each walk from one number to another.
func (s *service) publish(ctx context.Context, from, to int) error {
	for n := from; n < to; n++ {
		for walk := range keysOfService {
			if err := s.engine.Publish(ctx, s.topic, step{fmt.Sprint("walk ", walk), n}); err != nil {
				return err
			}
		}
	}
	return nil
}

// done is what a consumer did, by key.
func (s *service) done(ctx context.Context, consumer string) (done [][]int, err error) {
	for walk := range keysOfService {
		numbers, err := messaging.Kept[[]int](ctx, s.engine, consumer, fmt.Sprint("walk ", walk))
		if err != nil {
			return nil, err
		}
		done = append(done, numbers)
	}
	return done, nil
}

// await waits until a consumer has done so much of each key.
func (s *service) await(ctx context.Context, consumer string, most int) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		all, err := s.done(ctx, consumer)
		if err != nil {
			return err
		}
		left := false
		for _, numbers := range all {
			left = left || len(numbers) == 0 || numbers[len(numbers)-1] < most-1
		}
		if !left {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has come to %v: %w", consumer, all, ctx.Err())
		}
	}
}

// comeSoFar publishes and consumes part of it: everything is confirmed, and the slow consumer lets the later half of it wait.
func (s *service) comeSoFar(ctx context.Context) error {
	if err := s.publish(ctx, 0, confirmed); err != nil {
		return err
	}
	if err := s.await(ctx, fastName, confirmed); err != nil {
		return err
	}
	return s.await(ctx, slowName, taken)
}

// serveUntilKilled is the service in a process of its own, which says when it has come so far.
func serveUntilKilled(directory string) int {
	ctx := context.Background()
	s, err := newService(ctx, directory, taken, inprocess.Directory(filepath.Join(directory, "broker")))
	if err == nil {
		go func() { _ = s.engine.Run(ctx) }()
		err = s.comeSoFar(ctx)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("served")
	select {}
}

// serveAndKill runs the service in a process of its own and kills it when it has come so far.
func serveAndKill(t *testing.T, directory string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), servedDirectory+"="+directory)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(output)
	if !said.Scan() || said.Text() != "served" {
		t.Errorf("the service says %q, %v", said.Text(), said.Err())
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it says that it was killed
}

// serveAndStop runs the service until it has come so far.
func serveAndStop(t *testing.T, directory string) {
	t.Helper()
	within(t, directory, taken, inprocess.Directory(filepath.Join(directory, "broker")), func(s *service) error { return s.comeSoFar(t.Context()) })
}

// within runs the service as long as something is done with it.
func within(t *testing.T, directory string, below int, opener carillon.BrokerOpener, do func(*service) error) {
	t.Helper()
	s, err := newService(t.Context(), directory, below, opener)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.engine.Run(ctx) }()
	if err := do(s); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// publishWithoutBroker publishes to the store while nothing passes it on.
func publishWithoutBroker(t *testing.T, directory string) {
	t.Helper()
	s, err := newService(t.Context(), directory, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	}()
	broker := s.store.Broker()
	for n := confirmed; n < confirmed+unconfirmed; n++ {
		for walk := range keysOfService {
			key := fmt.Sprint("walk ", walk)
			m := carillon.Message{
				ID: fmt.Sprint(key, n), Kind: carillon.KindEvent, Type: "step.made", Key: key, Payload: fmt.Appendf(nil, `{"Walk":%q,"Number":%d}`, key, n),
			}
			if err := broker.Publish(t.Context(), s.topic.Name(), []carillon.Message{m}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRefill stops a service, or kills it, deletes the directory of its broker, and runs it again, two times over: what was not confirmed
// or not consumed comes from the store, and everything has its effect once.
func TestRefill(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(*testing.T, string){"stopped": serveAndStop, "killed": serveAndKill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			opener := inprocess.Directory(filepath.Join(directory, "broker"))
			serve(t, directory)
			publishWithoutBroker(t, directory)
			remove(t, directory)
			within(t, directory, taken+5, opener, func(s *service) error { // more of it, and then the directory is gone once more
				if err := s.await(t.Context(), fastName, confirmed+unconfirmed); err != nil {
					return err
				}
				return s.await(t.Context(), slowName, taken+5)
			})
			remove(t, directory)
			within(t, directory, 1<<30, opener, func(s *service) error {
				if err := s.publish(t.Context(), confirmed+unconfirmed, confirmed+unconfirmed+1); err != nil {
					return err
				}
				for _, consumer := range []string{fastName, slowName} {
					if err := s.await(t.Context(), consumer, confirmed+unconfirmed+1); err != nil {
						return err
					}
					done, err := s.done(t.Context(), consumer)
					if diff := cmp.Diff(walks(confirmed+unconfirmed+1), done); err != nil || diff != "" {
						t.Errorf("%s: %v, %s", consumer, err, diff)
					}
				}
				return nil
			})
		})
	}
}

// forgetful hides that its broker tells when it was made.
type forgetful struct{ carillon.BrokerOpener }

func (f forgetful) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	broker, err := f.BrokerOpener.OpenBroker(ctx)
	return struct{ carillon.Broker }{broker}, err
}

// TestWithoutRefill is the same with a broker that the store is not kept for: what it held is lost.
func TestWithoutRefill(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	opener := forgetful{inprocess.Directory(filepath.Join(directory, "broker"))}
	within(t, directory, taken, opener, func(s *service) error { return s.comeSoFar(t.Context()) })
	publishWithoutBroker(t, directory)
	remove(t, directory)
	within(t, directory, 1<<30, opener, func(s *service) error {
		if err := s.publish(t.Context(), confirmed+unconfirmed, confirmed+unconfirmed+1); err != nil {
			return err
		}
		if err := s.await(t.Context(), slowName, confirmed+unconfirmed+1); err != nil { // they come in order: what has not come by then is lost
			return err
		}
		done, err := s.done(t.Context(), slowName)
		if err != nil {
			return err
		}
		for walk, numbers := range done {
			if lost := confirmed + unconfirmed + 1 - len(numbers); lost == 0 {
				t.Errorf("walk %d is whole without the store: %v", walk, numbers)
			}
		}
		return nil
	})
}

func remove(t *testing.T, directory string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(directory, "broker")); err != nil {
		t.Fatal(err)
	}
}

func walks(steps int) [][]int {
	all := make([][]int, keysOfService)
	for walk := range all {
		for n := range steps {
			all[walk] = append(all[walk], n)
		}
	}
	return all
}
