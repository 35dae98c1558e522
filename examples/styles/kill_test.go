package styles_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/examples/styles"
	"github.com/carillon-go/carillon/messaging"
)

const (
	// childDirectory names the variable that makes the test's program a shop in a directory.
	childDirectory = "CARILLON_STYLES_DIRECTORY"
	// childOrders is how many orders the shop places.
	childOrders = 160
)

// report is what the last process says: the answers of the styles, and the totals of a consumer that keeps them in memory.
type report struct {
	Answers   map[string]map[string]styles.Sales
	Forgetful map[string]styles.Sales
}

// TestKill kills the process again and again while orders are placed and handled. The styles end with the right totals. The control does
// not: a consumer that keeps its totals in memory.
func TestKill(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, after := range []int{20, 55, 90, 125} {
		runChild(t, directory, after)
	}
	last := runChild(t, directory, childOrders)
	want := expected(0, childOrders, true)
	if diff := cmp.Diff(alike(want), last.Answers); diff != "" {
		t.Error(diff)
	}
	if counted, all := count(last.Forgetful), count(want); counted >= all {
		t.Errorf("totals in memory survived: they count %d of %d orders", counted, all)
	}
}

func count(sales map[string]styles.Sales) (orders int64) {
	for _, s := range sales {
		orders += s.Orders
	}
	return orders
}

// runChild runs the shop until it has placed so many orders, and kills it there, or waits for its report when those are all.
func runChild(t *testing.T, directory string, orders int) (r report) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), childDirectory+"="+directory)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "report "); ok {
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Error(err)
			}
		}
		if !killed && orders < childOrders && line == fmt.Sprint("placed ", orders) {
			killed = true
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := child.Wait(); (err == nil) == killed {
		t.Fatalf("the process ended with %v, killed: %v", err, killed)
	}
	return r
}

// child is the shop of one process: it places all orders, those again that were placed before, and reports when the styles have come to the
// end of them.
func child(directory string) int {
	if err := runShop(directory); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runShop(directory string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	topics := services.NewTopics()
	kept := make(map[string]styles.Sales)
	forgetful := messaging.Consume("forgetful", topics.Orders,
		messaging.On(func(_ context.Context, _ *messaging.Tx, e shop.OrderPlaced) error {
			key := styles.Key(e.Country, e.Day())
			kept[key] = kept[key].Placed(e)
			return nil
		}),
		messaging.On(func(_ context.Context, _ *messaging.Tx, e shop.OrderCancelled) error {
			key := styles.Key(e.Country, e.Day())
			kept[key] = kept[key].Cancelled(e)
			return nil
		}))
	service := newShop(directory, topics, append(parts(topics), forgetful)...)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	running, err := service.Running(ctx)
	if err != nil {
		return err
	}
	for number := range childOrders {
		if err := place(ctx, running, number); err != nil {
			return err
		}
		fmt.Println("placed", number+1)
	}
	r := report{Answers: make(map[string]map[string]styles.Sales)}
	want := expected(0, childOrders, true)
	for name, answer := range answers() {
		failed := await(ctx, running, answer, want)
		if r.Answers[name], err = ask(ctx, running, answer, want); err != nil {
			return err
		}
		if failed != nil {
			fmt.Fprintln(os.Stderr, name, failed)
		}
	}
	if err := drained(ctx, running.Store, "forgetful"); err != nil {
		return err
	}
	stop()
	if err := <-ended; err != nil {
		return err
	}
	r.Forgetful = kept
	written, err := json.Marshal(r)
	fmt.Println("report", string(written))
	return err
}

// drained waits until a consumer has handled all that was published.
func drained(ctx context.Context, store carillon.Store, consumer string) error {
	prober := store.(carillon.BrokerStore).Broker().(carillon.Prober)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		backlog, err := prober.Probe(ctx, "orders", consumer)
		if err != nil || backlog.Waiting+backlog.Unsettled == 0 {
			return err
		}
		<-ticker.C
	}
}
