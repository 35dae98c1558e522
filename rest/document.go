package rest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carillon-go/carillon"
)

const problemMedia = "application/problem+json"

// newDocument is the API description before it has endpoints.
func newDocument(s schemas) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Service", Version: "1",
			Description: "Commands change, queries ask. Every error is a problem of RFC 9457. An answer to a command holds the position of its " +
				"last event; a query that sends it back as " + HeaderPosition + " sees what the command did.",
		},
		Components: &huma.Components{Schemas: s.registry},
	}
}

// document adds an operation to the description. One name may be served twice; its operations are numbered.
func (s *site) document(operation *huma.Operation) {
	name := operation.OperationID
	for n := 2; s.documented(operation.OperationID); n++ {
		operation.OperationID = name + "-" + strconv.Itoa(n)
	}
	if operation.Summary == "" {
		operation.Summary = name
	}
	s.api.OpenAPI().AddOperation(operation)
}

func (s *site) documented(id string) bool {
	for _, item := range s.api.OpenAPI().Paths {
		for _, other := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if other != nil && other.OperationID == id {
				return true
			}
		}
	}
	return false
}

func (s *site) describeCommand(contract carillon.Endpoint, c *command) *huma.Operation {
	headers := map[string]*huma.Param{
		HeaderPosition: answerHeader("The position of the command's last event; left out when it came to nothing.", huma.TypeInteger),
		"ETag":         answerHeader("The version of the aggregate after the command, in quotes; left out without one.", huma.TypeString),
	}
	if c.location != nil {
		headers["Location"] = answerHeader("Where to find what the command changed.", huma.TypeString)
	}
	schema := s.schemas.of(reflect.TypeFor[Appended]())
	body := c.schema
	if body.Ref != "" {
		body = s.schemas.registry.SchemaFromRef(body.Ref)
	}
	operation := &huma.Operation{
		OperationID: contract.Type, Summary: c.options.summary, Tags: []string{"commands"},
		Parameters: append(documented(c.path),
			requestHeader(HeaderIdempotencyKey, "Names the command: sent again under the same key it is carried out once.", huma.TypeString),
			requestHeader("If-Match", `The version the command was made for, in quotes, such as "3": it is refused when the aggregate has another.`, huma.TypeString),
			requestHeader("If-None-Match", "With *, the command is refused when the aggregate is there already.", huma.TypeString)),
		Responses: map[string]*huma.Response{
			"200": {Description: "The command was carried out, now or before.", Headers: headers, Content: content("application/json", schema)},
			"201": {Description: "The command was carried out, its events are the first of their stream.", Headers: headers, Content: content("application/json", schema)},
		},
	}
	if len(body.Properties) > 0 {
		operation.RequestBody = &huma.RequestBody{Required: len(body.Required) > 0, Content: content("application/json", c.schema)}
	}
	s.addProblems(operation, ProblemMalformed, ProblemParameter, ProblemCrossOrigin, ProblemNotFound, ProblemRejected, ProblemConflict,
		ProblemStale, ProblemTooLarge, ProblemUnsupportedMediaType, ProblemInvalid, ProblemKeyReused,
		ProblemInternal, ProblemUnavailable, ProblemOutcomeUnknown, ProblemTimeout)
	return operation
}

func (s *site) describeQuery(contract carillon.Endpoint, o options, parameters []parameter) *huma.Operation {
	answered := reflect.TypeFor[any]()
	if contract.Response != nil {
		answered = contract.Response
	}
	operation := &huma.Operation{
		OperationID: contract.Type, Summary: o.summary, Tags: []string{"queries"}, Parameters: documented(parameters),
		Responses: map[string]*huma.Response{
			"200": {Description: "The answer.", Content: content("application/json", s.schemas.of(answered))},
		},
	}
	s.addProblems(operation, ProblemParameter, ProblemNotFound, ProblemInvalid, ProblemInternal, ProblemUnavailable, ProblemTimeout)
	if len(contract.Reads) > 0 {
		operation.Parameters = append(operation.Parameters, positionHeader())
		s.addProblems(operation, ProblemBehind)
	}
	return operation
}

func (s *site) describeRow(model string, state reflect.Type, o options, key string) *huma.Operation {
	tag := map[string]*huma.Param{
		"ETag": answerHeader("The version of the row's entity, in quotes; left out when the row is not an entity's.", huma.TypeString),
	}
	operation := &huma.Operation{
		OperationID: model + ".get", Summary: o.summary, Tags: []string{"read models"},
		Parameters: []*huma.Param{
			{Name: key, In: "path", Required: true, Description: "The key of the row.", Schema: &huma.Schema{Type: huma.TypeString}},
			requestHeader("If-None-Match", "The ETag of the row the sender has: the same one is not sent again.", huma.TypeString),
			positionHeader(),
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "The row.", Headers: tag, Content: content("application/json", s.schemas.of(state))},
			"304": {Description: "The sender has the row already.", Headers: tag},
		},
	}
	s.addProblems(operation, ProblemParameter, ProblemNotFound, ProblemInternal, ProblemUnavailable, ProblemBehind, ProblemTimeout)
	return operation
}

// addProblems documents problems under the statuses they are answered with.
func (s *site) addProblems(operation *huma.Operation, problems ...string) {
	schema := s.schemas.of(reflect.TypeFor[Problem]())
	for _, problem := range problems {
		status, title := explain(problem)
		description := fmt.Sprintf("%s (%s).", title, problem)
		answer, ok := operation.Responses[strconv.Itoa(status)]
		if !ok {
			answer = &huma.Response{Content: content(problemMedia, schema)}
			operation.Responses[strconv.Itoa(status)] = answer
		} else {
			description = answer.Description + " " + description
		}
		answer.Description = description
	}
}

func documented(parameters []parameter) []*huma.Param {
	params := make([]*huma.Param, len(parameters))
	for i, p := range parameters {
		description := p.schema.Description
		if description == "" && p.schema.Format == "date-time" {
			description = "A time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31, which means its start in UTC."
		}
		params[i] = &huma.Param{Name: p.name, In: p.in, Required: p.required, Description: description, Schema: p.schema}
	}
	return params
}

func positionHeader() *huma.Param {
	return requestHeader(HeaderPosition, "The position a command answered: the answer waits until the read model has passed it.", huma.TypeInteger)
}

func requestHeader(name, description, typ string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: typ}}
}

func answerHeader(description, typ string) *huma.Param {
	return &huma.Param{Description: description, Schema: &huma.Schema{Type: typ}}
}

func content(media string, schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{media: {Schema: schema}}
}

// encodeDocument is the finished description.
func (s *site) encodeDocument() ([]byte, error) {
	encoded, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("encode API description: %w", err)
	}
	return slices.Concat(encoded, []byte("\n")), nil
}
