package cli

import "github.com/spf13/cobra"

func newStream(std *stdio) *cobra.Command {
	return group(&cobra.Command{
		Use:   "stream",
		Short: "Show the events of one entity",
		Long:  "Looks into the streams of a store, beside a running writer if there is one.",
		Example: "  carillon stream show order-536365 --store sqlite:shop.db\n" +
			"  carillon stream list --store sqlite:shop.db --limit 10",
	},
		newStreamShow(std),
		newStreamList(std),
	)
}
