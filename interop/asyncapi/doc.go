// Package asyncapi holds tests alone: the AsyncAPI documents that Carillon writes keep the official JSON schema of AsyncAPI 3.0.0, and
// messages keep the schemas in them. It is a module of its own, so that nobody else needs what validates.
package asyncapi
