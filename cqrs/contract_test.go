package cqrs_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
)

type (
	open      struct{ ID string }
	shut      struct{ ID string }
	balanceOf struct{ ID string }
	balance   struct{ Pence int64 }
)

// careful is validated through a pointer only.
type careful struct{ ID string }

func (*careful) Validate() error { return nil }

func commandOf[C any](name string) carillon.Endpoint {
	return cqrs.Command(name, func(context.Context, *carillon.Message, C) (carillon.Appended, error) {
		return carillon.Appended{}, nil
	})
}

func queryOf[Q any](name string) carillon.Endpoint {
	return cqrs.Query(name, func(context.Context, Q) (balance, error) { return balance{}, nil })
}

func TestMistakesInAContract(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		endpoints []carillon.Endpoint
		says      string // empty when it is sound
	}{
		{"nothing", nil, ""},
		{"different names and types", []carillon.Endpoint{commandOf[open]("open"), commandOf[shut]("shut"), queryOf[balanceOf]("balance")}, ""},
		{"a second handler", []carillon.Endpoint{commandOf[open]("open"), commandOf[shut]("open")}, `command "open": it has exactly one handler`},
		{"a second handler of another kind", []carillon.Endpoint{commandOf[open]("open"), queryOf[balanceOf]("open")}, `query "open": it has exactly one handler`},
		{"a type under two names", []carillon.Endpoint{commandOf[open]("open"), commandOf[open]("begin")}, `command "begin": its Go type cqrs_test.open is that of "open" already`},
		{"a Validate nobody would call", []carillon.Endpoint{commandOf[careful]("check")}, `command "check": method Validate of cqrs_test.careful has a pointer receiver`},
		{"a pointer whose Validate is called", []carillon.Endpoint{queryOf[*careful]("check")}, ""},
		{"a bad name", []carillon.Endpoint{commandOf[open]("open account")}, `type "open account"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			contract, err := cqrs.NewContract(test.endpoints...)
			if test.says == "" {
				if err != nil || len(contract.Endpoints()) != len(test.endpoints) {
					t.Errorf("contract %v, error %v", contract, err)
				}
				return
			}
			if !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

func TestContractFinds(t *testing.T) {
	t.Parallel()
	contract, err := cqrs.NewContract(commandOf[open]("open"), queryOf[balanceOf]("balance"))
	if err != nil {
		t.Fatal(err)
	}
	if endpoint, err := contract.Of(reflect.TypeFor[balanceOf]()); err != nil || endpoint.Type != "balance" || endpoint.Kind != carillon.KindQuery {
		t.Errorf("by type: %+v, error %v", endpoint, err)
	}
	if endpoint, err := contract.Named("open"); err != nil || endpoint.Request != reflect.TypeFor[open]() || endpoint.Kind != carillon.KindCommand {
		t.Errorf("by name: %+v, error %v", endpoint, err)
	}
	if _, err := contract.Of(reflect.TypeFor[shut]()); !errors.Is(err, carillon.ErrUnknownType) {
		t.Errorf("a type nobody handles: %v", err)
	}
	if _, err := contract.Named("shut"); !errors.Is(err, carillon.ErrUnknownType) {
		t.Errorf("a name nobody handles: %v", err)
	}
	endpoints := contract.Endpoints()
	endpoints[0].Type = "changed"
	if _, err := contract.Named("changed"); err == nil || contract.Endpoints()[0].Type != "open" {
		t.Error("a contract changes when the list of its endpoints does")
	}
}
