package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/examples/shop"
)

func describeFormats() []string { return []string{"text", "json", "mermaid", "openapi", "asyncapi"} }

func newDescribe(std *stdio) *cobra.Command {
	format, broker := "", brokerFlag{}
	command := &cobra.Command{
		Use:   "describe",
		Short: "Show what the shop is made of and how it is wired",
		Long: "Describes the shop that carillon demo runs: its commands, aggregates, events, projections and queries. No\n" +
			"store is opened.\n\n" +
			"Formats: text, a tree; json, the same for programs; mermaid, a flow chart from commands to queries; openapi, the\n" +
			"OpenAPI 3.1 description of its endpoints, as JSON; asyncapi, the AsyncAPI 3.0 description of the topics between the\n" +
			"services of carillon demo --services, as JSON, with the broker of --broker.",
		Example: "  carillon describe\n" +
			"  carillon describe --format mermaid > shop.mmd\n" +
			"  carillon describe --format asyncapi --broker kafka://localhost:9092",
		Args: arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			return describe(command.Context(), std.out, format, broker)
		},
	}
	command.Flags().StringVar(&format, "format", "text", "`FORMAT`: "+strings.Join(describeFormats(), ", "))
	command.Flags().StringVar(&broker.url, "broker", "", "for asyncapi, the `URL` of the broker between the services: "+brokerForms)
	return command
}

func describe(ctx context.Context, out *printer, format string, broker brokerFlag) error {
	if !slices.Contains(describeFormats(), format) {
		return usagef("--format %q: it is one of %s", format, strings.Join(describeFormats(), ", "))
	}
	if broker.url != "" && format != "asyncapi" {
		return usagef("--broker: it is said in --format asyncapi alone")
	}
	service, _ := shop.New(sqlite.File(storeName), defaultAddress)
	switch format {
	case "json":
		return out.object(service.Describe())
	case "mermaid":
		out.printf("%s", flowChart(service.Describe()))
	case "openapi":
		return openAPI(ctx, out)
	case "asyncapi":
		return asyncAPI(out, broker)
	default:
		var text strings.Builder
		describeText(&text, service.Describe(), 0)
		out.printf("%s", text.String())
	}
	return nil
}

// describeText writes a description as a tree.
func describeText(out *strings.Builder, d carillon.Description, depth int) {
	indent := strings.Repeat("  ", depth)
	out.WriteString(printable(indent+d.Kind+" "+d.Name) + "\n")
	line := func(name, value string) { out.WriteString(printable(indent+"  · "+name+": "+value) + "\n") }
	if len(d.Accepts) > 0 {
		line("accepts", strings.Join(d.Accepts, ", "))
	}
	if len(d.Emits) > 0 {
		line("emits", strings.Join(d.Emits, ", "))
	}
	for _, name := range sortedKeys(d.Detail) {
		line(name, d.Detail[name])
	}
	for _, part := range d.Parts {
		describeText(out, part, depth+1)
	}
}
