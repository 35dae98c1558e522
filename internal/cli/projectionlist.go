package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
)

// ownModels begin the names of what engines keep for themselves.
const ownModels = "carillon."

// projectionList prints where the read models of a store stand.
type projectionList struct {
	store storeFlag
	json  bool
	out   *printer
}

// projectionObject is a read model as --json prints it.
type projectionObject struct {
	Name       string            `json:"name"`
	Checkpoint carillon.Position `json:"checkpoint"`
	// Lag is how many events the log is ahead of the checkpoint.
	Lag  int64 `json:"lag"`
	Rows int64 `json:"rows"`
	// Shadow is the checkpoint of a rebuild, null when there is none.
	Shadow *carillon.Position `json:"shadow"`
}

func newProjectionList(std *stdio) *cobra.Command {
	l := &projectionList{out: std.out}
	command := &cobra.Command{
		Use:   "list --store URL",
		Short: "Print where read models stand",
		Long: "Prints each read model with its checkpoint, how many events the log is ahead of it, its rows, and the checkpoint of a\n" +
			"rebuild under way. The store may be in use.\n\n" +
			"A checkpoint is written with rows: one that lags behind events without effect on the read model is up to date.",
		Example: "  carillon projection list --store sqlite:shop.db\n" +
			"  carillon projection list --store sqlite:shop.db --json",
		Args: arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error { return l.run(command.Context()) },
	}
	l.store.add(command)
	command.Flags().BoolVar(&l.json, "json", false, "print one JSON object per line")
	return command
}

func (l *projectionList) run(ctx context.Context) error {
	return l.store.read(ctx, func(store carillon.Store) error {
		models, err := store.ReadModels().Models(ctx)
		if err != nil {
			return err
		}
		models = slices.DeleteFunc(models, func(model carillon.ModelInfo) bool { return strings.HasPrefix(model.Name, ownModels) })
		head, err := store.Log().Head(ctx) // read last: no checkpoint is ahead of it
		if err != nil {
			return err
		}
		if l.json {
			return l.objects(models, head)
		}
		l.table(models, head)
		return nil
	})
}

func (l *projectionList) objects(models []carillon.ModelInfo, head carillon.Position) error {
	for _, model := range models {
		object := projectionObject{Name: model.Name, Checkpoint: model.Checkpoint, Lag: int64(head - model.Checkpoint), Rows: model.Rows}
		if model.Shadow >= 0 {
			object.Shadow = &model.Shadow
		}
		if err := l.out.object(object); err != nil {
			return err
		}
	}
	return nil
}

func (l *projectionList) table(models []carillon.ModelInfo, head carillon.Position) {
	width := len("NAME")
	for _, model := range models {
		width = max(width, len(printable(model.Name)))
	}
	l.out.printf("%-*s  %10s  %10s  %10s  %10s\n", width, "NAME", "CHECKPOINT", "LAG", "ROWS", "SHADOW")
	for _, model := range models {
		shadow := "-"
		if model.Shadow >= 0 {
			shadow = strconv.FormatInt(int64(model.Shadow), 10)
		}
		l.out.printf("%-*s  %10d  %10d  %10d  %10s\n",
			width, printable(model.Name), model.Checkpoint, head-model.Checkpoint, model.Rows, shadow)
	}
}
