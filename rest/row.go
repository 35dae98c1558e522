package rest

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
)

// Get serves the rows of a keyed read model, one by one: the path has one parameter, the row's key. The answer is the row's state
// as JSON. A row of an entity carries the version of the entity's stream as its ETag: with If-None-Match it is answered once, and
// as the If-Match of a command it refuses the command when the entity has changed. It is the version of the last event that the
// read model folds, so a model whose ETags go with commands folds every event of its streams.
//
// A request that carries a Carillon-Position waits for the read model, see [WaitLimit].
func Get[S any](pattern string, model *projection.Model[S], list ...Option) Part {
	return Part{kind: "row", name: pattern, add: func(s *site) error {
		at, err := parseRoute(pattern, reading())
		if err != nil {
			return err
		}
		if len(at.names) != 1 {
			return carillon.Invalidf(fmt.Sprintf("endpoint %q", pattern), "its path has one parameter, the row's key")
		}
		o := collect(list)
		if err := o.refuse(pattern); err != nil {
			return err
		}
		models := []string{model.Name()}
		if err := s.checkModels(pattern, models); err != nil {
			return err
		}
		view := projection.NewView(model, s.running.Store.ReadModels(), s.running.Codec)
		operation := s.describeRow(model.Name(), reflect.TypeFor[S](), o, at.names[0])
		return s.serve(at, operation, func(r *http.Request) (answer, error) {
			if _, err := queryOf(r, nil); err != nil {
				return answer{}, err
			}
			if err := s.await(r, models); err != nil {
				return answer{}, err
			}
			entry, err := view.Get(r.Context(), r.PathValue(at.names[0]))
			if errors.Is(err, carillon.ErrNotFound) {
				return answer{}, problemf(ProblemNotFound, "%s has no %q.", model.Name(), r.PathValue(at.names[0]))
			}
			if err != nil {
				return answer{}, err
			}
			return rowAnswer(r, entry), nil
		})
	}}
}

func rowAnswer[S any](r *http.Request, entry projection.Entry[S]) answer {
	a := answer{status: http.StatusOK, header: make(http.Header), value: entry.State}
	tag := ""
	if entry.Version > 0 {
		tag = tagOf(entry.Version)
		a.header.Set("ETag", tag)
	}
	if unchanged(r, tag) {
		a.status, a.empty = http.StatusNotModified, true
	}
	return a
}
