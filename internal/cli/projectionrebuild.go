package cli

import (
	"context"
	"encoding/json"
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
	diff  bool
	check bool
	json  bool
	std   *stdio
}

// rebuildObject is the outcome of a rebuild as --json prints it.
type rebuildObject struct {
	Name string `json:"name"`
	// Events is how many events the log holds, all of which were gone through.
	Events carillon.Position `json:"events"`
	Rows   int64             `json:"rows"`
	// Differences is how many rows differ from those of before, null when they were not compared.
	Differences *int64 `json:"differences,omitempty"`
	// Seconds is wall time.
	Seconds float64 `json:"seconds"`
}

func newProjectionRebuild(std *stdio) *cobra.Command {
	r := &projectionRebuild{std: std}
	command := &cobra.Command{
		Use:   "rebuild NAME --store URL",
		Short: "Make a read model anew from the log",
		Long: "Folds the whole log into a shadow of the read model, which then takes the place of the old one in one step. When it is\n" +
			"interrupted the old one stays as it was. A SQLite file is refused while another process writes to it.\n\n" +
			"--diff prints every row that comes out differently, before the new read model takes its place. --check prints them,\n" +
			"keeps the old read model, and ends with status 1 when there are any.\n\n" +
			"This program knows the read models of the shop: " + strings.Join(projectionNames(), ", ") + ".",
		Example: "  carillon projection rebuild countries --store sqlite:shop.db",
		Args:    arguments(1, 1),
		RunE:    func(command *cobra.Command, args []string) error { return r.run(command.Context(), args[0]) },
	}
	r.store.add(command)
	flags := command.Flags()
	flags.BoolVar(&r.diff, "diff", false, "print the rows that differ, then switch")
	flags.BoolVar(&r.check, "check", false, "print the rows that differ, and keep the old ones")
	flags.BoolVar(&r.json, "json", false, "print one JSON object")
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
	definition, err := findDefinition(name)
	if err != nil {
		return err
	}
	return r.store.change(ctx, func(store carillon.Store) error { return r.rebuild(ctx, store, definition) })
}

// findDefinition finds a read model of the shop.
func findDefinition(name string) (projection.Definition, error) {
	for _, definition := range shop.Projections() {
		if definition.Name() == name {
			return definition, nil
		}
	}
	return nil, usagef("no read model %q here: one of %s", name, strings.Join(projectionNames(), ", "))
}

// operate opens the store of a read model of the shop, with an engine that has it and does not run.
func operate(ctx context.Context, store storeFlag, name string, use func(*projection.Engine) error) error {
	definition, err := findDefinition(name)
	if err != nil {
		return err
	}
	return store.change(ctx, func(store carillon.Store) error {
		engine := projection.NewEngine(eventlog.New(store.Log()), store)
		if err := engine.Add(definition); err != nil {
			return err
		}
		return use(engine)
	})
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
	var options []projection.RebuildOption
	differences := int64(0)
	if r.diff || r.check {
		options = append(options, projection.Compare(func(d projection.Difference) error {
			differences++
			return r.difference(d)
		}))
	}
	if r.check {
		options = append(options, projection.KeepOld())
	}
	err = engine.Rebuild(ctx, definition.Name(), options...)
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
	if err := r.print(model, differences, time.Since(start)); err != nil || !r.check || differences == 0 {
		return err
	}
	return advise(fmt.Errorf("%d rows of %s differ", differences, definition.Name()), "rebuild it without --check to take the new ones")
}

// differenceObject is a row that differs as --json prints it.
type differenceObject struct {
	Key string `json:"key"`
	// Old and New are the rows, null where there is none.
	Old json.RawMessage `json:"old"`
	New json.RawMessage `json:"new"`
}

func (r *projectionRebuild) difference(d projection.Difference) error {
	if r.json {
		return r.std.out.object(differenceObject{Key: d.Key, Old: d.Old, New: d.New})
	}
	show := func(row []byte) string {
		if row == nil {
			return "no row"
		}
		return printable(string(row))
	}
	r.std.out.printf("%s\n  old  %s\n  new  %s\n", printable(d.Key), show(d.Old), show(d.New))
	return nil
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

func (r *projectionRebuild) print(model carillon.ModelInfo, differences int64, took time.Duration) error {
	if r.json {
		object := rebuildObject{Name: model.Name, Events: model.Checkpoint, Rows: model.Rows, Seconds: seconds(took)}
		if r.diff || r.check {
			object.Differences = &differences
		}
		return r.std.out.object(object)
	}
	verb := "rebuilt"
	if r.check {
		verb = "checked"
	}
	r.std.out.printf("%s %s: %d events, %d rows, %.3f s\n", verb, model.Name, model.Checkpoint, model.Rows, took.Seconds())
	if r.diff || r.check {
		r.std.out.printf("%d rows differ\n", differences)
	}
	return nil
}

// seconds is a duration in seconds, to the millisecond.
func seconds(took time.Duration) float64 { return math.Round(took.Seconds()*1000) / 1000 }
