package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

func TestAppendFillsInWhatIsLeftToIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		log := eventlog.New(p)
		zone := time.FixedZone("elsewhere", 3600)
		given := carillon.Message{
			ID: "mine", Type: "noted", Time: time.Date(2026, 1, 2, 3, 4, 5, 6789, zone), SchemaVersion: 3, ContentType: "text/plain",
		}
		if _, err := log.Append(t.Context(), carillon.Append{Events: []carillon.Message{{Type: "noted"}, {Type: "noted"}, given}}); err != nil {
			t.Fatal(err)
		}
		page, err := log.Read(t.Context(), carillon.AllEvents(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		first, second, third := page.Events[0], page.Events[1], page.Events[2]
		if first.ID == "" || first.ID == second.ID {
			t.Errorf("ids %q and %q", first.ID, second.ID)
		}
		if now := time.Now().UTC(); !first.Time.Equal(now) || first.Time.Location() != time.UTC {
			t.Errorf("time %v, want %v", first.Time, now)
		}
		if first.SchemaVersion != 1 || first.ContentType != carillon.ContentTypeJSON {
			t.Errorf("schema version %d, content type %q", first.SchemaVersion, first.ContentType)
		}
		want := given
		want.Time = time.Date(2026, 1, 2, 2, 4, 5, 6000, time.UTC)
		if diff := cmp.Diff(want, third.Message); diff != "" {
			t.Errorf("what was given (-want +got):\n%s", diff)
		}
	})
}

func TestAppendRefusesBeforeThePort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		a    carillon.Append
		want error
	}{
		{"no expectation", carillon.Append{Stream: "s", Events: events("1")}, carillon.ErrInvalid},
		{"no events", carillon.Append{}, carillon.ErrInvalid},
		{"too large", carillon.Append{Events: []carillon.Message{{Type: "noted", Payload: make([]byte, 11)}}}, carillon.ErrTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPort()
			if _, err := eventlog.New(p, eventlog.MaxPayload(10)).Append(t.Context(), test.a); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if p.appends.Load() != 0 {
				t.Error("the port was asked")
			}
		})
	}
}

// TestDigest says which appends are the same command: those with the same stream, types, tags and payloads.
func TestDigest(t *testing.T) {
	t.Parallel()
	base := func() carillon.Append {
		return carillon.Append{
			Stream: "s", Expect: carillon.AnyVersion(), Command: &carillon.CommandGuard{ID: "c"},
			Events: []carillon.Message{{Type: "a", Tags: []carillon.Tag{"k:1", "k:2"}, Payload: []byte(`1`)}, {Type: "b", Payload: []byte(`2`)}},
		}
	}
	tests := []struct {
		name   string
		change func(*carillon.Append)
		same   bool
	}{
		{"nothing", func(*carillon.Append) {}, true},
		{"ids and times", func(a *carillon.Append) { a.Events[0].ID, a.Events[0].Time = "other", time.Unix(1, 0) }, true},
		{"the expectation", func(a *carillon.Append) { a.Expect = carillon.Exactly(9) }, true},
		{"a payload", func(a *carillon.Append) { a.Events[1].Payload = []byte(`3`) }, false},
		{"a type", func(a *carillon.Append) { a.Events[0].Type = "c" }, false},
		{"a tag", func(a *carillon.Append) { a.Events[0].Tags = []carillon.Tag{"k:1", "k:3"} }, false},
		{"a tag less", func(a *carillon.Append) { a.Events[0].Tags = []carillon.Tag{"k:1"} }, false},
		{"the stream", func(a *carillon.Append) { a.Stream = "t" }, false},
		{"an event less", func(a *carillon.Append) { a.Events = a.Events[:1] }, false},
		{"where a payload ends", func(a *carillon.Append) {
			a.Events = []carillon.Message{{Type: "a", Tags: []carillon.Tag{"k:1", "k:2"}, Payload: []byte("1\x00b\x002")}}
		}, false},
		{"a digest of its own", func(a *carillon.Append) { a.Command.Digest = [16]byte{1} }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := eventlog.New(newPort())
			first, err := log.Append(t.Context(), base())
			if err != nil {
				t.Fatal(err)
			}
			again := base()
			test.change(&again)
			second, err := log.Append(t.Context(), again)
			if !test.same && !errors.Is(err, carillon.ErrCommandReused) {
				t.Errorf("%+v, error %v, want a reused command id", second, err)
			}
			first.Duplicate = true
			if test.same && (err != nil || second != first) {
				t.Errorf("%+v, error %v, want %+v", second, err, first)
			}
		})
	}
}

func TestTheRestIsThePorts(t *testing.T) {
	t.Parallel()
	p := newPort()
	log := eventlog.New(p)
	a := one("s", "1")
	a.Command = &carillon.CommandGuard{ID: "c"}
	done, err := log.Append(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if record, err := log.Command(t.Context(), "c"); err != nil || record.Appended != done {
		t.Errorf("command %+v, error %v", record, err)
	}
	if _, err := log.Command(t.Context(), "d"); !errors.Is(err, carillon.ErrNotFound) {
		t.Errorf("an unknown command: %v", err)
	}
	if got, err := log.ReadStream(t.Context(), "s", 0, 10); err != nil || len(got) != 1 || got[0].ID != "1" {
		t.Errorf("stream %v, error %v", got, err)
	}
	if _, err := log.Read(t.Context(), carillon.ByTypes(""), 0, 10); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("a query that breaks a rule: %v", err)
	}
	if _, err := log.Streams(t.Context(), "", 10); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("streams of a port that cannot list them: %v", err)
	}
	streams, err := eventlog.New(p.Log).Streams(context.Background(), "", 10)
	if diff := cmp.Diff([]carillon.StreamInfo{{Name: "s", Version: 1}}, streams); diff != "" || err != nil {
		t.Errorf("streams (-want +got):\n%s, error %v", diff, err)
	}
}
