package cli

import "github.com/spf13/cobra"

func newProjection(std *stdio) *cobra.Command {
	return group(&cobra.Command{
		Use:   "projection",
		Short: "Operate read models",
		Long:  "Looks at the read models of a store, pauses and resumes those of the shop, and makes them anew from its log.",
		Example: "  carillon projection list --store sqlite:shop.db\n" +
			"  carillon projection rebuild countries --store sqlite:shop.db",
	},
		newProjectionList(std),
		newProjectionRebuild(std),
		newProjectionReset(std),
		newProjectionPause(std, true),
		newProjectionPause(std, false),
	)
}
