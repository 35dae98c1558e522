package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/internal/ids"
)

// Appended is the body of the answer to a command: where its events stand.
type Appended struct {
	// Position is that of the command's last event, 0 when it came to nothing.
	Position carillon.Position `json:"position" doc:"The position of the command's last event, 0 when there was nothing to do. Send it as Carillon-Position with a query to read your own write."`
	// Version is the version of the aggregate's stream, 0 without one.
	Version int64 `json:"version" doc:"The version of the aggregate after the command, 0 when it changed none. Send it as If-Match with the next command."`
	// Duplicate says that the command had been carried out before under its idempotency key.
	Duplicate bool `json:"duplicate" doc:"The command was carried out before under its Idempotency-Key; the figures are the original ones."`
}

// Command serves commands of type C, which the service's contract knows. The body is the command as JSON; parameters of the path
// fill the fields of that name, and the body may leave those out. A field without omitempty or omitzero is required.
//
// The answer is an [Appended]: 201 when the command's events are the first of their stream, otherwise 200, which is also how a
// duplicate is answered. See the package documentation for the headers and the problems.
func Command[C any](pattern string, list ...Option) Part {
	return Part{kind: "command", name: pattern, add: func(s *site) error {
		return s.addCommand(pattern, reflect.TypeFor[C](), collect(list))
	}}
}

// command is an endpoint for commands of one type.
type command struct {
	*site
	request  reflect.Type
	options  options
	path     []parameter
	schema   *huma.Schema // of the body
	location location
}

func (s *site) addCommand(pattern string, request reflect.Type, o options) error {
	at, err := parseRoute(pattern, changing())
	if err != nil {
		return err
	}
	contract, err := s.known(pattern, carillon.KindCommand, request)
	if err != nil {
		return err
	}
	if o.complete != nil && o.of != request {
		return carillon.Invalidf(fmt.Sprintf("endpoint %q", pattern), "it takes a %s, Complete completes a %s", request, o.of)
	}
	c := &command{site: s, request: request, options: o}
	if c.path, err = s.pathParameters(request, at); err != nil {
		return err
	}
	if c.location, err = parseLocation(pattern, o.location, request); err != nil {
		return err
	}
	c.schema = s.schemas.of(request)
	if len(c.path) > 0 {
		c.schema = s.schemas.withOptional(c.schema, keysOf(c.path))
	}
	return s.serve(at, s.describeCommand(contract, c), c.answer)
}

// known finds the contract's endpoint for a Go type.
func (s *site) known(pattern string, kind carillon.Kind, request reflect.Type) (carillon.Endpoint, error) {
	refused := func(rule string, args ...any) (carillon.Endpoint, error) {
		return carillon.Endpoint{}, carillon.Invalidf(fmt.Sprintf("endpoint %q", pattern), rule, args...)
	}
	if request.Kind() != reflect.Struct {
		return refused("a %s is a struct, %s is none", kind, request)
	}
	endpoint, err := s.contract.Of(request)
	if err != nil {
		return refused("nothing in the service handles the %s %s: hand its decider or query to app.New", kind, request)
	}
	if endpoint.Kind != kind {
		return refused("%s is a %s: serve it with rest.Command or rest.Query accordingly", request, endpoint.Kind)
	}
	return endpoint, nil
}

func keysOf(parameters []parameter) []string {
	keys := make([]string, len(parameters))
	for i, p := range parameters {
		keys[i] = p.Key
	}
	return keys
}

func (c *command) answer(r *http.Request) (answer, error) {
	if _, err := queryOf(r, nil); err != nil {
		return answer{}, err
	}
	expected, err := expectedVersion(r)
	if err != nil {
		return answer{}, err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return answer{}, err
	}
	value, err := c.decode(r)
	if err != nil {
		return answer{}, err
	}
	send := []cqrs.SendOption{cqrs.WithTrace(traceOf(r))}
	if key != "" {
		send = append(send, cqrs.WithID(key))
	} else {
		key = ids.New()
		send = append(send, func(m *carillon.Message) { m.ID = key })
	}
	if expected >= 0 {
		send = append(send, cqrs.IfVersion(expected))
	}
	filled := value.Interface()
	if c.options.complete != nil {
		filled = c.options.complete(filled, key)
	}
	appended, err := c.running.Bus.Send(r.Context(), filled, send...)
	if err != nil {
		return answer{}, refusal(err, expected)
	}
	return c.appended(appended, filled), nil
}

// refusal tells a stale version of the sender from other conflicts.
func refusal(err error, expected int64) error {
	conflict, ok := errors.AsType[*carillon.ConflictError](err)
	if !ok || expected < 0 || conflict.Guard != carillon.GuardVersion || conflict.Expected != expected {
		return err
	}
	if expected == 0 {
		return problemf(ProblemStale, "It is there already, at version %d.", conflict.Actual)
	}
	return problemf(ProblemStale, "It is at version %d, the command was made for version %d. Look at what is there now and decide again.",
		conflict.Actual, expected)
}

func (c *command) appended(appended carillon.Appended, filled any) answer {
	a := answer{status: http.StatusOK, header: make(http.Header)}
	a.value = Appended{Position: appended.Last, Version: appended.Version, Duplicate: appended.Duplicate}
	first := appended.Version - int64(appended.Last-appended.First)
	if appended.Last > 0 && first == 1 && !appended.Duplicate {
		a.status = http.StatusCreated
	}
	if appended.Last > 0 {
		a.header.Set(HeaderPosition, strconv.FormatInt(int64(appended.Last), 10))
	}
	if appended.Version > 0 {
		a.header.Set("ETag", tagOf(appended.Version))
	}
	if address := c.location.of(filled); address != "" {
		a.header.Set("Location", address)
	}
	return a
}

// decode makes a command of a request's body and path.
func (c *command) decode(r *http.Request) (reflect.Value, error) {
	value := reflect.New(c.request)
	body, err := readBody(r)
	if err != nil {
		return value, err
	}
	body = orEmpty(body)
	if err := codec.DecodeStrict(body, value.Interface()); err != nil {
		return value, err
	}
	var plain any
	if err := json.Unmarshal(body, &plain); err != nil {
		return value, carillon.Invalidf("body", "%s", err)
	}
	if found := c.schemas.check(c.schema, "body", plain); len(found) > 0 {
		return value, invalid(found)
	}
	given, _ := plain.(map[string]any)
	for _, p := range c.path {
		if err := c.fromPath(p, r.PathValue(p.name), given, value.Elem()); err != nil {
			return value, err
		}
	}
	return value.Elem(), nil
}

// fromPath fills a field from the path. A body that gives it too gives the same.
func (c *command) fromPath(p parameter, text string, given map[string]any, value reflect.Value) error {
	field := fieldAt(value, p.Index)
	inBody := reflect.New(field.Type()).Elem()
	inBody.Set(field)
	field.SetZero()
	if err := c.read(p, value, []string{text}); err != nil {
		return err
	}
	if _, twice := given[p.Key]; !twice {
		return nil
	}
	fromBody, err := json.Marshal(inBody.Interface())
	if err != nil {
		return fmt.Errorf("compare field %s: %w", p.Name, err)
	}
	fromPath, err := json.Marshal(field.Interface())
	if err != nil {
		return fmt.Errorf("compare field %s: %w", p.Name, err)
	}
	if !slices.Equal(fromBody, fromPath) {
		return invalid([]FieldProblem{{Location: "body." + p.Key, Message: "it contradicts the path; leave it out"}})
	}
	return nil
}
