package consume_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/carillon-go/carillon/consume"
)

func Example() {
	source := func(context.Context) iter.Seq2[consume.Batch[string], error] {
		return func(yield func(consume.Batch[string], error) bool) {
			yield(consume.Batch[string]{
				Deliveries: []consume.Delivery[string]{
					{Position: 1, Key: "ann", Value: "open"},
					{Position: 2, Key: "bob", Value: "open"},
					{Position: 4, Key: "ann", Value: "credit"},
				},
				Through: 7,
			}, nil)
		}
	}
	handle := func(_ context.Context, value string) error {
		if value == "credit" {
			return consume.Permanent(fmt.Errorf("cannot %s", value))
		}
		return nil
	}
	through := 0
	commit := func(_ context.Context, commit consume.Commit[string]) error { // in one transaction
		for _, letter := range commit.Letters {
			fmt.Printf("parked %d of %s: %v\n", letter.Delivery.Position, letter.Delivery.Key, letter.Cause)
		}
		through = int(commit.Through)
		return nil
	}
	err := consume.New(source, handle, commit).Run(context.Background())
	fmt.Println("through", through, err)
	// Output:
	// parked 4 of ann: cannot credit
	// through 7 <nil>
}
