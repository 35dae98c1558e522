package memory_test

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// Programs hold an eventlog.Log. Adapters are talked to directly by those who write one, or a test.
func Example() {
	ctx := context.Background()
	store, err := memory.Volatile().Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	opened := carillon.Append{
		Stream: "account-1", Expect: carillon.NoStream(),
		Events: []carillon.Message{{ID: "event-1", Type: "account.opened", Payload: []byte(`{"Owner":"Ann"}`)}},
	}
	verdicts, err := store.Log().Append(ctx, []carillon.Append{opened, opened}) // a batch; the second meets what the first did
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, verdict := range verdicts {
		fmt.Println(verdict.Appended.First, verdict.Err)
	}
	fmt.Println(store.Close())
	_, err = store.Log().Head(ctx)
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// 0 conflict: stream "account-1" is at version 1, expected 0
	// <nil>
	// closed
}
