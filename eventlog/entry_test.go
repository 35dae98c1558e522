package eventlog_test

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// counting is JSON that counts how often it decodes.
type counting struct{ decoded atomic.Int64 }

func (c *counting) ContentType() string              { return carillon.ContentTypeJSON }
func (c *counting) Encode(value any) ([]byte, error) { return json.Marshal(value) }
func (c *counting) Decode(data []byte, target any) error {
	c.decoded.Add(1)
	return json.Unmarshal(data, target)
}

type noted struct{ ID string }

func entry(payload string) *eventlog.Entry {
	return &eventlog.Entry{Recorded: &carillon.Recorded{Message: carillon.Message{Type: "noted", Payload: []byte(payload)}}}
}

func TestDecodeOnceForAll(t *testing.T) {
	t.Parallel()
	codec, e := &counting{}, entry(`{"ID":"1"}`)
	var running sync.WaitGroup
	values := make([]*noted, 16)
	for i := range values {
		running.Go(func() {
			value, err := eventlog.Decode[*noted](codec, e)
			if err != nil {
				t.Error(err)
			}
			values[i] = value
		})
	}
	running.Wait()
	for _, value := range values {
		if value != values[0] || value.ID != "1" {
			t.Errorf("%p %+v is not the value the others share", value, value)
		}
	}
	if got := codec.decoded.Load(); got != 1 {
		t.Errorf("it was decoded %d times", got)
	}
}

func TestDecodeAsAnotherType(t *testing.T) {
	t.Parallel()
	codec, e := &counting{}, entry(`{"ID":"1"}`)
	for range 2 {
		if value, err := eventlog.Decode[noted](codec, e); err != nil || value.ID != "1" {
			t.Errorf("%+v, error %v", value, err)
		}
		if value, err := eventlog.Decode[map[string]string](codec, e); err != nil || value["ID"] != "1" {
			t.Errorf("%+v, error %v", value, err)
		}
	}
}

func TestDecodeFailsEveryTime(t *testing.T) {
	t.Parallel()
	codec, e := &counting{}, entry(`{"ID":1}`)
	for range 2 {
		if value, err := eventlog.Decode[noted](codec, e); err == nil {
			t.Errorf("decoded as %+v", value)
		}
	}
}

// TestPrepareRunsAhead handles the first batch only once entries of the second and third are being prepared, at the same time.
func TestPrepareRunsAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		fill(t, p.Log, 6000)
		second, third := make(chan struct{}), make(chan struct{})
		prepared := make([]atomic.Int64, 6001)
		prepare := eventlog.Prepare(func(e *eventlog.Entry) {
			switch e.Position {
			case 2001: // each waits for the other
				close(second)
				<-third
			case 4001:
				close(third)
				<-second
			}
			prepared[e.Position].Add(1)
		})
		for batch, err := range eventlog.New(p).Follow(t.Context(), 0, prepare, eventlog.StopAtHead()) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch.Entries {
				if at := batch.Entries[i].Position; prepared[at].Load() != 1 {
					t.Fatalf("position %d was prepared %d times before it came", at, prepared[at].Load())
				}
			}
			if batch.Through == 2000 {
				<-third
			}
		}
	})
}

// TestPreparedEntriesAreDecodedOnce follows with two followers that prepare and handle the same pages.
func TestPreparedEntriesAreDecodedOnce(t *testing.T) {
	t.Parallel()
	const count = 3000
	p, codec := newPort(), &counting{}
	fill(t, p.Log, count)
	log := eventlog.New(p)
	prepare := eventlog.Prepare(func(e *eventlog.Entry) { _, _ = eventlog.Decode[noted](codec, e) })
	for range 2 {
		for batch, err := range log.Follow(t.Context(), 0, prepare, eventlog.StopAtHead()) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch.Entries {
				if value, err := eventlog.Decode[noted](codec, &batch.Entries[i]); err != nil || value.ID != batch.Entries[i].ID {
					t.Fatalf("%+v, error %v", value, err)
				}
			}
		}
	}
	if got := codec.decoded.Load(); got != count {
		t.Errorf("%d events were decoded %d times", count, got)
	}
}

// TestPrepareMayFail: an entry that cannot be decoded fails again where it is handled, in order.
func TestPrepareMayFail(t *testing.T) {
	t.Parallel()
	p := newPort()
	bad := events("1", "2", "3")
	bad[1].Payload = []byte(`broken`)
	if _, err := p.Log.Append(t.Context(), []carillon.Append{{Events: bad}}); err != nil {
		t.Fatal(err)
	}
	codec := &counting{}
	prepare := eventlog.Prepare(func(e *eventlog.Entry) { _, _ = eventlog.Decode[noted](codec, e) })
	for batch, err := range eventlog.New(p).Follow(t.Context(), 0, prepare, eventlog.StopAtHead()) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Entries {
			if _, err := eventlog.Decode[noted](codec, &batch.Entries[i]); (err != nil) != (i == 1) {
				t.Errorf("entry %d: error %v", i, err)
			}
		}
	}
}
