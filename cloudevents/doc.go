// Package cloudevents maps messages to CloudEvents 1.0.2 and back, see https://github.com/cloudevents/spec.
//
// The attributes of the specification stand for what a message has: id, type and time as they are, datacontenttype for the content
// type. Extensions carry the rest:
//
//	kind            command, query, document or reply; left out for an event
//	partitionkey    the key
//	schemaversion   the version of the payload's shape, left out for 1
//	tags            a JSON array
//	correlationid, causationid, tenant
//	traceparent, tracestate
//	headers         a JSON object of the headers whose names are no names of attributes
//
// Any other attribute is a header, and a header of such a name is an attribute of its own: source and subject are headers. A message
// without a source has the source "carillon".
//
// [NewRequest], [ReadRequest], [WriteResponse] and [ReadResponse] are the HTTP binding, in binary, structured and batched mode. Those of
// brokers are in their adapters.
package cloudevents
