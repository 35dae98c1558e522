//go:build unix

package crashes_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/projection"
)

// heldAccount is the account whose events reach the point "fold".
const heldAccount = "held"

// project runs the job's models until the context ends.
func project(ctx context.Context, j job) error {
	inner, err := j.open(ctx)
	if err != nil {
		return err
	}
	defer inner.Close()
	store := newFrailStore(inner, j)
	definitions := models(func(e deposited) {
		if e.Account == heldAccount {
			store.fuse.At("fold")
		}
	})
	options := []projection.EngineOption{projection.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))}
	if j.Term > 0 {
		options = append(options, projection.Term(j.Term))
	}
	engine := projection.NewEngine(eventlog.New(store.Log(), eventlog.PollEvery(50*time.Millisecond)), store, options...)
	for _, name := range j.Models {
		if err := engine.Add(projection.Segmented(j.Segments, definitions[name])); err != nil {
			return err
		}
	}
	processes.Say("running")
	if err := engine.Run(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the engine ended: %w", err)
	}
	return nil
}

// holders tells how many segments each process holds by leases that run, and with which epochs.
func holders(ctx context.Context, leases carillon.Leases) (map[string]int, map[string]int64, error) {
	infos, err := leases.List(ctx, "projection/")
	if err != nil {
		return nil, nil, err
	}
	counts, epochs := make(map[string]int), make(map[string]int64)
	for _, info := range infos {
		if info.Left > 0 {
			counts[info.Holder]++
			epochs[info.Name] = info.Epoch
		}
	}
	return counts, epochs, nil
}
