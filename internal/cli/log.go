package cli

import "github.com/spf13/cobra"

func newLog(std *stdio) *cobra.Command {
	return group(&cobra.Command{
		Use:   "log",
		Short: "Read, follow and write a log",
		Long: "Looks into the log of a store. Reading and following work beside a running writer; appending needs the store to\n" +
			"itself.",
		Example: "  carillon log read --store sqlite:shop.db --type order.placed --limit 3\n" +
			"  carillon log tail --store sqlite:shop.db",
	},
		newLogRead(std),
		newLogTail(std),
		newLogAppend(std),
	)
}
