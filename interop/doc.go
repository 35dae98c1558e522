// Package interop holds tests alone: the suites that other libraries have for their own adapters, run over the brokers of Carillon, and
// Carillon's conformance kit over what those libraries adapt. It is a module of its own so that nobody who uses Carillon gets what these
// suites need.
package interop
