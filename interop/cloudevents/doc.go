// Package cloudevents holds tests alone: messages as Carillon writes them are read by the official SDK, and events as the SDK writes them
// are read by Carillon. It is a module of its own, so that nobody else needs the SDK.
package cloudevents
