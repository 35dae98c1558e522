package otel

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillon-go/carillon"
)

// shape is what the spans of a kind of activity look like.
type shape struct {
	kind trace.SpanKind
	// verb is the operation, what the name begins with; empty where the name is what the activity is about. typ is its messaging type.
	verb, typ string
	// ambient says that the span of the context comes before what the activity names as its cause.
	ambient bool
	// none says that there is no span, only metrics.
	none bool
}

// shapeOf gives the shape of the spans of a kind of activity.
func shapeOf(kind carillon.ActivityKind) shape {
	switch kind {
	case carillon.ActivityRequest:
		return shape{kind: trace.SpanKindServer, ambient: true}
	case carillon.ActivityCommand, carillon.ActivityQuery:
		return shape{kind: trace.SpanKindInternal, ambient: true}
	case carillon.ActivityAppend:
		return shape{kind: trace.SpanKindInternal, verb: "append", ambient: true}
	case carillon.ActivityCreate:
		return shape{kind: trace.SpanKindProducer, verb: "publish", typ: "create"}
	case carillon.ActivitySend:
		return shape{kind: trace.SpanKindClient, verb: "send", typ: "send"}
	case carillon.ActivityReceive:
		return shape{none: true, verb: "receive", typ: "receive"}
	case carillon.ActivitySettle:
		return shape{none: true, verb: "settle", typ: "settle"}
	case carillon.ActivityProcess, carillon.ActivityProcessBatch:
		return shape{kind: trace.SpanKindConsumer, verb: "process", typ: "process"}
	case carillon.ActivityRetry:
		return shape{kind: trace.SpanKindInternal, verb: "retry"}
	case carillon.ActivityProject:
		return shape{kind: trace.SpanKindInternal, verb: "project"}
	case carillon.ActivityReact:
		return shape{kind: trace.SpanKindInternal, verb: "react"}
	default: // a commit is of many callers, and in no one's trace
		return shape{none: true}
	}
}

// name is the name of an activity's span: it says what is done and to what, never to which.
func (s shape) name(a *carillon.Activity) string {
	parts := make([]string, 0, 2)
	for _, part := range []string{a.Method, s.verb, a.Name} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// attributes are those of an activity's span.
func (s shape) attributes(a *carillon.Activity) []attribute.KeyValue {
	all := bounded(s, a)
	switch a.Kind {
	case carillon.ActivityRequest:
		return append(all, urlPath.String(a.Path))
	case carillon.ActivityAppend, carillon.ActivityProject:
		return append(all, eventCount.Int(a.Count))
	case carillon.ActivityCommand, carillon.ActivityQuery:
		return append(all, ids(a.Message)...)
	default:
		if a.Message == nil {
			return append(all, messagingBatch.Int(a.Count))
		}
		return append(append(all, ids(a.Message)...), messageType.String(a.Message.Type))
	}
}

// ids are the attributes that only spans have: each message has its own.
func ids(m *carillon.Message) []attribute.KeyValue {
	all := []attribute.KeyValue{messagingMessageID.String(m.ID)}
	if m.CorrelationID != "" {
		all = append(all, messagingConversation.String(m.CorrelationID))
	}
	return all
}

// bounded are the attributes of an activity that metrics have too: each has few values.
func bounded(s shape, a *carillon.Activity) []attribute.KeyValue {
	switch a.Kind {
	case carillon.ActivityRequest:
		return []attribute.KeyValue{httpMethod.String(a.Method), httpRoute.String(a.Name), urlScheme.String(a.Scheme)}
	case carillon.ActivityCommand:
		return []attribute.KeyValue{messageKind.String(carillon.KindCommand.String()), messageType.String(a.Name)}
	case carillon.ActivityQuery:
		return []attribute.KeyValue{messageKind.String(carillon.KindQuery.String()), messageType.String(a.Name)}
	case carillon.ActivityProject, carillon.ActivityReact:
		return []attribute.KeyValue{projectionName.String(a.Name)}
	case carillon.ActivityAppend, carillon.ActivityCommit:
		return nil
	default:
		all := []attribute.KeyValue{messagingSystem.String(system(a.Broker)), messagingDestination.String(a.Name)}
		if s.typ != "" {
			all = append(all, messagingOperation.String(s.verb), messagingOperationType.String(s.typ))
		}
		if a.Consumer != "" {
			all = append(all, messagingGroup.String(a.Consumer))
		}
		return all
	}
}

// system is the name of a product as attributes have it: "kafka", "nats_jetstream".
func system(broker string) string {
	return strings.ReplaceAll(strings.ToLower(broker), " ", "_")
}
