package messaging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/filesystem"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/messaging"
)

type scan struct {
	Name  string
	Pages []byte
}

func (s scan) Key() string { return s.Name }

const large = 3 << 20

func scansTopic(blobs carillon.Blobs) *messaging.Topic {
	parts := []messaging.TopicPart{
		messaging.Document[scan]("scan"), messaging.Query[balance, scan]("scan.find"), messaging.Command[take]("money.take"),
		messaging.Retention(48 * time.Hour),
	}
	if blobs != nil {
		parts = append(parts, messaging.ClaimCheck(1<<10, blobs))
	}
	return messaging.NewTopic("scans", parts...)
}

// watched counts what goes in and out of a place.
type watched struct {
	carillon.Blobs
	puts, gets atomic.Int64
}

func (w *watched) Put(ctx context.Context, topic string, payload []byte) (string, error) {
	w.puts.Add(1)
	return w.Blobs.Put(ctx, topic, payload)
}

func (w *watched) Get(ctx context.Context, reference string) ([]byte, error) {
	w.gets.Add(1)
	return w.Blobs.Get(ctx, reference)
}

// TestLargePayloads sends documents larger than any broker takes: as they are they are refused, with a claim check they arrive whole, are
// passed on from a handler, and fetched again for the second try.
func TestLargePayloads(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, s site) {
		t.Helper()
		place := &watched{Blobs: filesystem.Directory(t.TempDir())}
		scans := scansTopic(place)
		copies := messaging.NewTopic("copies", messaging.Document[scan]("copy"), messaging.ClaimCheck(1<<10, place))
		var failed atomic.Bool
		arrived := make(chan scan, 4)
		s.node(t, copies,
			messaging.Consume("archive", scans, messaging.On(func(_ context.Context, tx *messaging.Tx, m scan) error {
				if failed.CompareAndSwap(false, true) {
					return errors.New("once more")
				}
				if size := len(tx.Message().Payload); size < len(m.Pages) {
					return fmt.Errorf("the message has a payload of %d bytes", size)
				}
				return tx.Publish(copies, m)
			})),
			messaging.Consume("copying", copies, messaging.On(func(_ context.Context, _ *messaging.Tx, m scan) error {
				arrived <- m
				return nil
			})))
		shop, _ := s.node(t, scans)
		pages := bytes.Repeat([]byte("0123456789abcdef"), large/16)
		must(t, shop.Publish(t.Context(), scans, scan{"large", pages}))
		got := <-arrived
		if got.Name != "large" || !bytes.Equal(got.Pages, pages) {
			t.Errorf("%q arrived with %d bytes", got.Name, len(got.Pages))
		}
		if puts, gets := place.puts.Load(), place.gets.Load(); puts != 2 || gets < 3 {
			t.Errorf("%d payloads put and %d fetched, want 2 and, with the second try, 3", puts, gets)
		}
		must(t, shop.Publish(t.Context(), scans, scan{"small", nil}))
		if got := <-arrived; got.Name != "small" || place.puts.Load() != 2 {
			t.Errorf("%q arrived after %d payloads were put elsewhere", got.Name, place.puts.Load())
		}
		plain := messaging.NewTopic("plain", messaging.Document[scan]("scan"))
		n, _ := s.node(t, plain)
		if err := n.Publish(t.Context(), plain, scan{"large", pages}); !errors.Is(err, carillon.ErrTooLarge) {
			t.Errorf("without a claim check: %v", err)
		}
	})
}

// TestLargeAnswers answers a query with more than a broker takes.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, s site) {
		t.Helper()
		pages := bytes.Repeat([]byte("x"), large)
		find := asked("scan.find", func(context.Context, balance) (scan, error) { return scan{"found", pages}, nil })
		for name, topic := range map[string]*messaging.Topic{"with": scansTopic(filesystem.Directory(t.TempDir())), "without": messaging.NewTopic(
			"finds", messaging.Query[balance, scan]("scan.find"))} {
			parts := []part{find, messaging.Serve(name, topic)}
			if name == "with" {
				parts = append(parts, accounts())
			}
			s.node(t, parts...)
			shop, _ := s.node(t, messaging.Remote("asks-"+name, topic))
			got, err := cqrs.Ask[scan](t.Context(), shop.bus, balance{strings.Repeat("y", 2<<10)})
			if name == "with" && (err != nil || !bytes.Equal(got.Pages, pages)) || name == "without" && !errors.Is(err, carillon.ErrTooLarge) {
				t.Errorf("%s a claim check: %d bytes, error %v", name, len(got.Pages), err)
			}
		}
	})
}

// vault is a place in memory that can be damaged.
type vault struct {
	mu      sync.Mutex
	held    map[string][]byte
	since   map[string]time.Time
	away    bool
	fetched int
}

func newVault() *vault {
	return &vault{held: make(map[string][]byte), since: make(map[string]time.Time)}
}

func (v *vault) Put(_ context.Context, topic string, payload []byte) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	reference := fmt.Sprint(topic, "/", len(v.held))
	v.held[reference], v.since[reference] = bytes.Clone(payload), time.Now()
	return reference, nil
}

func (v *vault) Get(_ context.Context, reference string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fetched++
	if v.away {
		return nil, carillon.ErrUnavailable
	}
	payload, ok := v.held[reference]
	if !ok {
		return nil, carillon.ErrNotFound
	}
	return payload, nil
}

func (v *vault) Sweep(_ context.Context, _ string, before time.Time) (removed int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for reference, since := range v.since {
		if since.Before(before) {
			delete(v.held, reference)
			delete(v.since, reference)
			removed++
		}
	}
	return removed, nil
}

// change does something to what the place holds.
func (v *vault) change(do func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	do()
}

// TestPlacesThatFail takes payloads away, damages them, and makes the place unreachable, each for a key of its own between publishing and
// consuming.
func TestPlacesThatFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(v *vault)
		cause  string // of the letter, "" when there is none
	}{
		{"sound", func(*vault) {}, ""},
		{"missing", func(v *vault) { clear(v.held) }, "not found"},
		{"damaged", func(v *vault) { v.held["scans/0"][5] ^= 1 }, "corrupt"},
		{"cut short", func(v *vault) { v.held["scans/0"] = v.held["scans/0"][:9] }, "corrupt"},
		{"unreachable", func(v *vault) { v.away = true }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, place := inMemory(), newVault()
				scans := scansTopic(place)
				shop, stopShop := s.node(t, scans)
				var handled atomic.Int64
				consumer := messaging.Consume("archive", scans, messaging.On(func(context.Context, *messaging.Tx, scan) error {
					handled.Add(1)
					return nil
				}))
				_, declared := s.node(t, consumer)
				declared()
				must(t, shop.Publish(t.Context(), scans, scan{"a", make([]byte, 4<<10)}))
				place.change(func() { test.damage(place) })
				archive, stop := s.node(t, consumer)
				elapse(10 * time.Minute)
				letters, err := archive.store.(carillon.DeadLetterStore).DeadLetters().Letters(t.Context(), "archive", "a", 0, 10)
				must(t, err)
				switch {
				case test.cause == "" && len(letters) > 0:
					t.Errorf("letters %+v", letters)
				case test.cause != "" && (len(letters) != 1 || !strings.Contains(letters[0].Cause, test.cause) || handled.Load() != 0):
					t.Errorf("letters %+v, want one with cause %q", letters, test.cause)
				}
				if test.name == "unreachable" {
					if place.fetched < 6 || handled.Load() != 0 {
						t.Errorf("tried %d times, handled %d messages", place.fetched, handled.Load())
					}
					place.change(func() { place.away = false })
					elapse(time.Minute)
				}
				if test.cause == "" && handled.Load() != 1 {
					t.Errorf("handled %d messages", handled.Load())
				}
				stop()
				stopShop()
			})
		})
	}
}

// TestPayloadsAreSwept keeps payloads as long as the topic says.
func TestPayloadsAreSwept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, place := inMemory(), newVault()
		scans := scansTopic(place)
		shop, stop := s.node(t, scans, messaging.Consume("archive", scans, messaging.On(func(context.Context, *messaging.Tx, scan) error { return nil })))
		must(t, shop.Publish(t.Context(), scans, scan{"a", make([]byte, 4<<10)}))
		elapse(47 * time.Hour)
		place.change(func() {
			if len(place.held) != 1 {
				t.Error("a payload was swept before its time")
			}
		})
		elapse(2 * time.Hour)
		place.change(func() {
			if len(place.held) != 0 {
				t.Error("a payload stays longer than its topic says")
			}
		})
		stop()
	})
}
