package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
)

// Query serves queries of type Q, which the service's contract knows, and answers the response type registered there as JSON. The
// fields of Q are filled from parameters of the path, and of the query string by their names in JSON: strings, numbers, booleans,
// times, what reads itself from text, and slices of these, whose parameters may be repeated. Parameters of the query string may
// be left out, or left empty, unless the field's tag says required:"true"; default:"10" gives what is read then.
//
// A request that carries a Carillon-Position waits for the read models the answer comes from, see [WaitLimit].
func Query[Q any](pattern string, list ...Option) Part {
	return Part{kind: "query", name: pattern, add: func(s *site) error {
		return s.addQuery(pattern, reflect.TypeFor[Q](), collect(list))
	}}
}

func (s *site) addQuery(pattern string, request reflect.Type, o options) error {
	at, err := parseRoute(pattern, reading())
	if err != nil {
		return err
	}
	contract, err := s.known(pattern, carillon.KindQuery, request)
	if err != nil {
		return err
	}
	if err := o.refuse(pattern); err != nil {
		return err
	}
	if err := s.checkModels(pattern, contract.Reads); err != nil {
		return err
	}
	path, err := s.pathParameters(request, at)
	if err != nil {
		return err
	}
	inQuery, err := s.queryParameters(request, at, path)
	if err != nil {
		return err
	}
	return s.serve(at, s.describeQuery(contract, o, slices.Concat(path, inQuery)), func(r *http.Request) (answer, error) {
		value := reflect.New(request).Elem()
		if err := s.readQuery(inQuery, r, value); err != nil {
			return answer{}, err
		}
		for _, p := range path {
			if err := s.read(p, value, []string{r.PathValue(p.name)}); err != nil {
				return answer{}, err
			}
		}
		if err := s.await(r, contract.Reads); err != nil {
			return answer{}, err
		}
		result, err := s.running.Bus.Dispatch(r.Context(), value.Interface(), cqrs.WithTrace(traceOf(r)))
		if err != nil {
			return answer{}, err
		}
		return answer{status: http.StatusOK, value: result}, nil
	})
}

// refuse refuses options that mean nothing for a query.
func (o options) refuse(pattern string) error {
	if o.location != "" || o.complete != nil {
		return carillon.Invalidf(fmt.Sprintf("endpoint %q", pattern), "Location and Complete are for commands")
	}
	return nil
}

// checkModels refuses an endpoint whose read models the service does not keep: nothing would ever fill them.
func (s *site) checkModels(pattern string, models []string) error {
	ended, end := context.WithCancel(context.Background())
	end()
	for _, model := range models {
		if err := s.running.Projections.Wait(ended, model, 0); errors.Is(err, carillon.ErrNotFound) {
			return carillon.Invalidf(fmt.Sprintf("endpoint %q", pattern),
				"it answers from the read model %q, which is no part of the service: hand its projection to app.New", model)
		}
	}
	return nil
}

// await waits until read models have passed the position a request carries.
func (s *site) await(r *http.Request, models []string) error {
	position, err := positionOf(r)
	if err != nil || position == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.waitLimit)
	defer cancel()
	for _, model := range models {
		err := s.running.Projections.Wait(ctx, model, position)
		if errors.Is(err, carillon.ErrTimeout) {
			p := problemf(ProblemBehind, "The read model %q has not reached position %d within %s. Ask again later, or without a position for "+
				"what is there now.", model, position, s.waitLimit)
			p.cause = err
			return p
		}
		if err != nil {
			return err
		}
	}
	return nil
}
