package eventlog_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
)

func Example() {
	ctx := context.Background()
	log := eventlog.New(memory.Volatile().Log())
	done, err := log.Append(ctx, carillon.Append{
		Stream: "account-1", Expect: carillon.NoStream(),
		Events: []carillon.Message{
			{Type: "account.opened", Payload: []byte(`{"Owner":"Ann"}`)},
			{Type: "account.credited", Payload: []byte(`{"Pence":250}`)},
		},
	})
	fmt.Println(done.First, done.Last, done.Version, err)

	for batch, err := range log.Follow(ctx, 0, eventlog.StopAtHead()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for i := range batch.Entries {
			entry := &batch.Entries[i]
			fmt.Println(entry.Position, entry.Stream, entry.Type, string(entry.Payload))
		}
	}
	// Output:
	// 1 2 2 <nil>
	// 1 account-1 account.opened {"Owner":"Ann"}
	// 2 account-1 account.credited {"Pence":250}
}

// Three guards say when an append may take place. Here a stream version does not hold, and a command comes again.
func ExampleLog_Append() {
	ctx := context.Background()
	log := eventlog.New(memory.Volatile().Log())
	opened := carillon.Append{
		Stream: "account-1", Expect: carillon.NoStream(),
		Events:  []carillon.Message{{Type: "account.opened", Payload: []byte(`{}`)}},
		Command: &carillon.CommandGuard{ID: "request-7"},
	}
	first, err := log.Append(ctx, opened)
	fmt.Println(first.First, first.Duplicate, err)

	again, err := log.Append(ctx, opened)
	fmt.Println(again.First, again.Duplicate, err)

	opened.Command = &carillon.CommandGuard{ID: "request-8"}
	_, err = log.Append(ctx, opened)
	fmt.Println(err)
	// Output:
	// 1 false <nil>
	// 1 true <nil>
	// conflict: stream "account-1" is at version 1, expected 0
}

// An append whose outcome nobody saw is found out, not guessed.
func ExampleLog_Resolve() {
	ctx := context.Background()
	log := eventlog.New(memory.Volatile().Log())
	event := carillon.Message{ID: "event-1", Type: "account.opened", Payload: []byte(`{}`)}
	_, err := log.Append(ctx, carillon.Append{Stream: "account-1", Expect: carillon.NoStream(), Events: []carillon.Message{event}})
	if err == nil { // had it been unknown, the error would be this one
		err = &carillon.OutcomeUnknownError{EventID: "event-1", Events: 1, Cause: context.DeadlineExceeded}
	}
	if errors.Is(err, carillon.ErrOutcomeUnknown) {
		done, err := log.Resolve(ctx, err)
		fmt.Println(done.First, done.Version, err)
	}
	// Output: 1 1 <nil>
}
