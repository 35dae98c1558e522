// Package clients is what adapters share that are clients of a broker's server: their calls and subscriptions, which end with them, the wait
// for deliveries, partitions in turn, and what was not published.
package clients
