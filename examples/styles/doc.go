// Package styles answers one question, what each country bought on each day, in three styles of processing the shop's order events:
//
//   - event-driven: each message has an effect of its own, here a booking;
//   - event streaming: the log is replayed into a view, from the beginning and again whenever that is wanted;
//   - stateful streaming: each message changes a running total that is kept in the transaction that handles it.
//
// They give the same totals. What else they give, and what they cost, docs/explanation/processing-styles.md compares.
package styles
