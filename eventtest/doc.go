// Package eventtest tests deciders and projections with Given, When, Then, without a store:
//
//	eventtest.Decider(t, account).
//		Given(Opened{Owner: "Ann"}).
//		When(OpenAccount{ID: "1", Owner: "Bob"}).
//		ThenRejected("account 1 is open already")
//
//	eventtest.Projection(t, owners).
//		Given(eventtest.At("account-1", Opened{Owner: "Ann"})).
//		ThenRow("1", Owner{Name: "Ann"})
//
// What would go wrong behind a store goes wrong here. Events are checked as an append checks them and pass through the JSON codec, and
// so do rows, and states of which snapshots are saved: a field that does not survive it shows. A command on a boundary sees the
// events that its tags draw. Decisions and folds run twice on the same input, which must not change: one that is not pure shows.
//
// A failure is reported on the test and does not end it. It shows values line by line, with the fields that are not exported.
package eventtest
