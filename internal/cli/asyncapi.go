package cli

import (
	"github.com/carillon-go/carillon/asyncapi"
	"github.com/carillon-go/carillon/examples/shop/services"
)

// asyncAPI prints the description of the topics that the shop's services share, and of the broker between them if there is one.
func asyncAPI(out *printer, broker brokerFlag) error {
	topics := services.NewTopics()
	names := services.Names()
	parts := []asyncapi.Part{asyncapi.Service(names[0], services.Beside(topics)...)}
	for _, name := range names[1:] {
		of, err := services.Of(name, topics)
		if err != nil {
			return err
		}
		parts = append(parts, asyncapi.Service(name, of...))
	}
	if broker.url != "" {
		if _, err := broker.opener(); err != nil {
			return err
		}
		parts = append(parts, asyncapi.Broker(broker.url))
	}
	document, err := asyncapi.Document("Shop", parts...)
	if err != nil {
		return err
	}
	out.printf("%s", document)
	return nil
}
