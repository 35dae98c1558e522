package messaging

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

// The headers of requests and replies. What else a request carries is what its sender gave it.
const (
	// headerReplyTo names the topic that replies go to.
	headerReplyTo = "requestreplyto"
	// headerID is the id of the command or query as its sender knows it. The id of the message that carries it is another each time
	// it is asked: a broker that drops what it has seen would drop the second one.
	headerID = "requestid"
	// headerDeadline is when the sender stops waiting, in RFC 3339.
	headerDeadline = "requestdeadline"
	// headerResponder names who answers.
	headerResponder = "replyfrom"
	// headerProblem says that the payload of a reply is a problem, and which.
	headerProblem = "replyproblem"
)

// own reports whether a header is one of the exchange's own, which goes no further.
func own(name string) bool {
	switch name {
	case headerReplyTo, headerID, headerDeadline, headerResponder, headerProblem, headerPart, headerRun, headerEnd, headerCredit, headerStop,
		headerWindow, headerPatience:
		return true
	default:
		return false
	}
}

// repliesIn is what stands between a service's name and a number in the name of a topic of replies.
const repliesIn = ".replies."

// isReplyTopic reports whether a topic is one that replies may be published to: nobody makes a service publish elsewhere.
func isReplyTopic(name string) bool {
	_, number, ok := strings.Cut(name, repliesIn)
	return ok && number != "" && strings.Trim(number, "0123456789") == "" && (carillon.Topic{Name: name}).Check() == nil
}

// newRequest makes the message that asks another service what a message asks.
func newRequest(ctx context.Context, e *Engine, topic *Topic, m *carillon.Message, deadline time.Time) (carillon.Message, error) {
	request, err := topic.message(e.codec, m.Value)
	if err != nil {
		return request, err
	}
	request.SchemaVersion, request.Time = max(m.SchemaVersion, 1), m.Time
	request.CorrelationID, request.CausationID, request.Tenant = m.CorrelationID, m.CausationID, m.Tenant
	request.TraceParent, request.TraceState = m.TraceParent, m.TraceState
	request.Headers = make(map[string]string, len(m.Headers)+3)
	maps.Copy(request.Headers, m.Headers)
	request.Headers[headerID] = m.ID
	request.Headers[headerDeadline] = deadline.UTC().Format(time.RFC3339Nano)
	return request, topic.deposit(ctx, &request)
}

// asSent is a message option that gives a request's value the envelope its sender gave it.
func asSent(request *carillon.Message) func(*carillon.Message) {
	return func(m *carillon.Message) {
		m.ID = request.Headers[headerID]
		m.CorrelationID, m.CausationID, m.Tenant = request.CorrelationID, request.CausationID, request.Tenant
		m.TraceParent, m.TraceState = request.TraceParent, request.TraceState
		m.Headers = make(map[string]string, len(request.Headers))
		for name, value := range request.Headers {
			if !own(name) {
				m.Headers[name] = value
			}
		}
		if m.Kind == carillon.KindCommand { // it may be delivered twice
			m.Headers[carillon.HeaderOnce] = "true"
		}
	}
}

// deadlineOf is when the sender of a request stops waiting; ok is false when it does not say.
func deadlineOf(request *carillon.Message) (deadline time.Time, ok bool) {
	deadline, err := time.Parse(time.RFC3339Nano, request.Headers[headerDeadline])
	return deadline, err == nil
}
