package enrolment_test

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/examples/enrolment"
	"github.com/carillon-go/carillon/sourcing"
)

func Example() {
	courses, err := sourcing.Bind(enrolment.Decider(), sourcing.Runtime{Log: eventlog.New(memory.Volatile().Log())})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, command := range []any{
		enrolment.Offer{Course: "go", Capacity: 1},
		enrolment.Enrol{Course: "go", Student: "ann"},
		enrolment.Enrol{Course: "go", Student: "bob"},
		enrolment.ChangeCapacity{Course: "go", Capacity: 2},
		enrolment.Enrol{Course: "go", Student: "bob"},
	} {
		_, err := courses.Handle(context.Background(), &carillon.Message{Value: command})
		fmt.Printf("%+v: %v\n", command, err)
	}
	// Output:
	// {Course:go Capacity:1}: <nil>
	// {Course:go Student:ann}: <nil>
	// {Course:go Student:bob}: course go is full
	// {Course:go Capacity:2}: <nil>
	// {Course:go Student:bob}: <nil>
}
