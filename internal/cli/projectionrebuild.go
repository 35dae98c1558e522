package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/projection"
)

// projectionRebuild makes a read model of the shop anew.
type projectionRebuild struct {
	store storeFlag
	json  bool
	std   *stdio
}

// rebuildObject is the outcome of a rebuild as --json prints it.
type rebuildObject struct {
	Name string `json:"name"`
	// Events is how many events the log holds, all of which were gone through.
	Events carillon.Position `json:"events"`
	Rows   int64             `json:"rows"`
	// Seconds is wall time.
	Seconds float64 `json:"seconds"`
}

func newProjectionRebuild(std *stdio) *cobra.Command {
	r := &projectionRebuild{std: std}
	command := &cobra.Command{
		Use:   "rebuild NAME --store URL",
		Short: "Make a read model anew from the log",
		Long: "Folds the whole log into a shadow of the read model, which then takes the place of the old one in one step. When it is\n" +
			"interrupted the old one stays as it was. The store is refused while another process writes to it.\n\n" +
			"This program knows the read models of the shop: " + strings.Join(projectionNames(), ", ") + ".",
		Example: "  carillon projection rebuild countries --store sqlite:shop.db",
		Args:    arguments(1, 1),
		RunE:    func(command *cobra.Command, args []string) error { return r.run(command.Context(), args[0]) },
	}
	r.store.add(command)
	command.Flags().BoolVar(&r.json, "json", false, "print one JSON object")
	return command
}

func projectionNames() []string {
	var names []string
	for _, definition := range shop.Projections() {
		names = append(names, definition.Name())
	}
	return names
}

func (r *projectionRebuild) run(ctx context.Context, name string) error {
	for _, definition := range shop.Projections() {
		if definition.Name() == name {
			return r.store.change(ctx, func(store carillon.Store) error { return r.rebuild(ctx, store, definition) })
		}
	}
	return usagef("no read model %q here: one of %s", name, strings.Join(projectionNames(), ", "))
}

func (r *projectionRebuild) rebuild(ctx context.Context, store carillon.Store, definition projection.Definition) error {
	start := time.Now()
	log := eventlog.New(store.Log())
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	engine := projection.NewEngine(log, store, projection.WithLogger(slog.New(slog.DiscardHandler)))
	if err := engine.Add(definition); err != nil {
		return err
	}
	stop := r.watch(ctx, store, definition.Name(), head)
	err = engine.Rebuild(ctx, definition.Name())
	stop()
	if err != nil && ctx.Err() != nil {
		return advise(fmt.Errorf("rebuild of %s interrupted", definition.Name()), "the read model is as it was; run it again")
	}
	if err != nil {
		return err
	}
	model, err := findModel(ctx, store, definition.Name())
	if err != nil {
		return err
	}
	return r.print(model, time.Since(start))
}

// watch shows how far the shadow has come, until it is told to stop.
func (r *projectionRebuild) watch(ctx context.Context, store carillon.Store, name string, head carillon.Position) (stop func()) {
	bar := newProgress(r.std.err, int64(head))
	return bar.every(func() {
		if model, err := findModel(ctx, store, name); err == nil && model.Shadow >= 0 {
			bar.show(int64(model.Shadow), fmt.Sprintf("%s: %d of %d events", name, model.Shadow, head))
		}
	})
}

func findModel(ctx context.Context, store carillon.Store, name string) (carillon.ModelInfo, error) {
	models, err := store.ReadModels().Models(ctx)
	if err != nil {
		return carillon.ModelInfo{}, err
	}
	for _, model := range models {
		if model.Name == name {
			return model, nil
		}
	}
	return carillon.ModelInfo{}, errors.Join(fmt.Errorf("read model %q", name), carillon.ErrNotFound)
}

func (r *projectionRebuild) print(model carillon.ModelInfo, took time.Duration) error {
	if r.json {
		return r.std.out.object(rebuildObject{
			Name: model.Name, Events: model.Checkpoint, Rows: model.Rows, Seconds: seconds(took),
		})
	}
	r.std.out.printf("rebuilt %s: %d events, %d rows, %.3f s\n", model.Name, model.Checkpoint, model.Rows, took.Seconds())
	return nil
}

// seconds is a duration in seconds, to the millisecond.
func seconds(took time.Duration) float64 { return math.Round(took.Seconds()*1000) / 1000 }
