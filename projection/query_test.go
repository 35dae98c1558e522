package projection_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

type balanceOf struct{ Account string }

func TestQuery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model, other := balances(), projection.Keyed("shops", projection.By("account.credited",
			func(e credited) string { return e.Shop }, func(n int, e credited) int { return n + 1 }))
		h := newHouse(t, model, other)
		h.run(t)
		last := h.append(t, "account-1", "account.credited", credited{7, "north"})
		h.wait(t, "balances", last)
		h.wait(t, "shops", last)
		answer := projection.Query("balance", model, func(ctx context.Context, view projection.View[balance], q balanceOf) (string, error) {
			entry, err := view.Get(ctx, q.Account)
			if err != nil {
				return "", err
			}
			shop, err := projection.Beside(view, other).Get(ctx, "north")
			return fmt.Sprint(entry.State.Pence, " pence, ", shop.State, " purchases"), err
		}, other)
		endpoint, err := answer.Bind(h, codec.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if endpoint.Kind != carillon.KindQuery || endpoint.Type != "balance" || endpoint.Version != 1 ||
			endpoint.Request.String() != "projection_test.balanceOf" || endpoint.Response.String() != "string" {
			t.Errorf("endpoint %+v", endpoint)
		}
		if diff := cmp.Diff([]string{"balances", "shops"}, endpoint.Reads); diff != "" {
			t.Errorf("what it reads (-want +got):\n%s", diff)
		}
		ask := func(account string) (any, error) {
			return endpoint.Handler(t.Context(), &carillon.Message{Value: balanceOf{account}})
		}
		if got, err := ask("1"); got != "7 pence, 1 purchases" || err != nil {
			t.Errorf("answer %v, error %v", got, err)
		}
		if _, err := ask("2"); !errors.Is(err, carillon.ErrNotFound) || err.Error() != `balances "2": not found` {
			t.Errorf("an account that is not there: %v", err)
		}
		want := carillon.Description{Kind: "query", Name: "balance", Detail: map[string]string{"reads": "balances, shops"}}
		if diff := cmp.Diff(want, answer.Describe()); diff != "" {
			t.Errorf("description (-want +got):\n%s", diff)
		}
	})
}
