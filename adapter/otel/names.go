package otel

import "go.opentelemetry.io/otel/attribute"

// scope names this package to the providers.
const scope = "github.com/carillon-go/carillon/adapter/otel"

// The attributes. Those without the prefix carillon are of OpenTelemetry's semantic conventions, version 1.43.
const (
	messagingSystem        = attribute.Key("messaging.system")
	messagingDestination   = attribute.Key("messaging.destination.name")
	messagingOperation     = attribute.Key("messaging.operation.name")
	messagingOperationType = attribute.Key("messaging.operation.type")
	messagingGroup         = attribute.Key("messaging.consumer.group.name")
	messagingMessageID     = attribute.Key("messaging.message.id")
	messagingConversation  = attribute.Key("messaging.message.conversation_id")
	messagingBatch         = attribute.Key("messaging.batch.message_count")

	httpMethod = attribute.Key("http.request.method")
	httpRoute  = attribute.Key("http.route")
	httpStatus = attribute.Key("http.response.status_code")
	urlScheme  = attribute.Key("url.scheme")
	urlPath    = attribute.Key("url.path")

	errorType = attribute.Key("error.type")

	messageKind    = attribute.Key("carillon.message.kind")
	messageType    = attribute.Key("carillon.message.type")
	eventCount     = attribute.Key("carillon.event.count")
	projectionName = attribute.Key("carillon.projection.name")
	breakerName    = attribute.Key("carillon.breaker.name")
	breakerState   = attribute.Key("carillon.breaker.state")
)

// The metrics.
const (
	metricRequest  = "http.server.request.duration"
	metricSent     = "messaging.client.sent.messages"
	metricConsumed = "messaging.client.consumed.messages"
	metricClient   = "messaging.client.operation.duration"
	metricProcess  = "messaging.process.duration"

	metricDispatch = "carillon.dispatch.duration"
	metricAppend   = "carillon.append.duration"
	metricCommit   = "carillon.commit.duration"
	metricBatch    = "carillon.append.batch.size"
	metricProject  = "carillon.projection.duration"

	metricLag     = "carillon.projection.lag"
	metricOutbox  = "carillon.outbox.backlog"
	metricBacklog = "carillon.consumer.backlog"
	metricParked  = "carillon.parked_keys"
	metricLetters = "carillon.dead_letters"
	metricBreaker = "carillon.breaker.state"
)
