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
// Events pass through the JSON codec on the way, as they do through a log, so a field that does not survive it shows. Decisions
// and folds run twice on the same input: one that is not pure shows too. A failure is reported on the test and does not end it.
package eventtest
