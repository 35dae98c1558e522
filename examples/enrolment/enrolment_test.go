package enrolment_test

import (
	"testing"

	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/examples/enrolment"
)

type (
	offer           = enrolment.Offer
	changeCapacity  = enrolment.ChangeCapacity
	enrol           = enrolment.Enrol
	withdraw        = enrolment.Withdraw
	offered         = enrolment.Offered
	capacityChanged = enrolment.CapacityChanged
	enrolled        = enrolment.Enrolled
	withdrawn       = enrolment.Withdrawn
)

func TestOffer(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, enrolment.Decider()).
		When(offer{"go", 2}).Then(offered{"go", 2}).
		When(offer{"go", 3}).ThenRejected("course go is offered already").
		When(offer{"sql", 0}).Then(offered{"sql", 0})
}

func TestCapacity(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, enrolment.Decider()).
		Given(offered{"go", 2}, offered{"sql", 2}).
		When(enrol{"art", "ann"}).ThenRejected("there is no course art").
		When(enrol{"go", "ann"}).Then(enrolled{"go", "ann"}).
		When(enrol{"go", "ann"}).ThenRejected("student ann is in course go already").
		When(enrol{"go", "bob"}).Then(enrolled{"go", "bob"}).
		When(enrol{"go", "cid"}).ThenRejected("course go is full").
		When(enrol{"sql", "cid"}).Then(enrolled{"sql", "cid"}).
		When(offer{"art", 1}).Then(offered{"art", 1}).
		When(enrol{"art", "ann"}).Then(enrolled{"art", "ann"}) // her other course does not count for this one
}

func TestLimitOfAStudent(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, enrolment.Decider()).
		Given(offered{"a", 9}, offered{"b", 9}, offered{"c", 9}, offered{"d", 9}).
		Given(enrolled{"a", "ann"}, enrolled{"b", "ann"}, enrolled{"c", "bob"}).
		When(enrol{"c", "ann"}).Then(enrolled{"c", "ann"}).
		When(enrol{"d", "ann"}).ThenRejected("student ann takes 3 courses").
		When(enrol{"d", "bob"}).Then(enrolled{"d", "bob"}).
		When(withdraw{"a", "ann"}).Then(withdrawn{"a", "ann"}).
		When(enrol{"d", "ann"}).Then(enrolled{"d", "ann"})
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, enrolment.Decider()).
		Given(offered{"go", 1}, enrolled{"go", "ann"}).
		When(withdraw{"go", "bob"}).ThenNothing().
		When(withdraw{"go", "ann"}).Then(withdrawn{"go", "ann"}).
		When(withdraw{"go", "ann"}).ThenNothing().
		When(enrol{"go", "bob"}).Then(enrolled{"go", "bob"}).
		When(enrol{"go", "ann"}).ThenRejected("course go is full")
}

func TestChangeCapacity(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, enrolment.Decider()).
		Given(offered{"go", 2}, enrolled{"go", "ann"}, enrolled{"go", "bob"}).
		When(changeCapacity{"go", 1}).ThenRejected("course go has 2 students").
		When(changeCapacity{"go", 2}).ThenNothing().
		When(changeCapacity{"go", 3}).Then(capacityChanged{"go", 3}).
		When(enrol{"go", "cid"}).Then(enrolled{"go", "cid"}).
		When(withdraw{"go", "ann"}).Then(withdrawn{"go", "ann"}).
		When(changeCapacity{"go", 2}).Then(capacityChanged{"go", 2}).
		When(enrol{"go", "ann"}).ThenRejected("course go is full").
		When(changeCapacity{"art", 2}).ThenRejected("there is no course art")
}

func TestACapacityIsNotNegative(t *testing.T) {
	t.Parallel()
	for capacity, valid := range map[int]bool{-1: false, 0: true, 30: true} {
		for _, err := range []error{offer{"go", capacity}.Validate(), changeCapacity{"go", capacity}.Validate()} {
			if (err == nil) != valid {
				t.Errorf("capacity %d: error %v", capacity, err)
			}
		}
	}
}
