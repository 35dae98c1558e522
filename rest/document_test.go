package rest_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
)

// The part of an OpenAPI description that the tests look at.
type (
	document struct {
		OpenAPI    string                          `json:"openapi"`
		Info       struct{ Title, Version string } `json:"info"`
		Paths      map[string]map[string]operation `json:"paths"`
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	operation struct {
		OperationID string             `json:"operationId"`
		Summary     string             `json:"summary"`
		Parameters  []described        `json:"parameters"`
		RequestBody *message           `json:"requestBody"`
		Responses   map[string]message `json:"responses"`
	}
	described struct {
		Name     string `json:"name"`
		In       string `json:"in"`
		Required bool   `json:"required"`
		Schema   schema `json:"schema"`
	}
	message struct {
		Description string                       `json:"description"`
		Required    bool                         `json:"required"`
		Headers     map[string]described         `json:"headers"`
		Content     map[string]map[string]schema `json:"content"`
	}
	schema struct {
		Ref        string            `json:"$ref"`
		Type       any               `json:"type"`
		Format     string            `json:"format"`
		Properties map[string]schema `json:"properties"`
		Required   []string          `json:"required"`
		Items      *schema           `json:"items"`
		AnyOf      []schema          `json:"anyOf"`
		Enum       []any             `json:"enum"`
		Default    any               `json:"default"`
	}
)

func describedBy(t *testing.T, handler http.Handler) document {
	t.Helper()
	got := must(t, handler, 200, http.MethodGet, "/openapi.json", "")
	var d document
	if err := json.Unmarshal([]byte(got.body), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDescriptionIsWhole(t *testing.T) {
	t.Parallel()
	parts, served := bank()
	said := cqrs.Query("search", func(context.Context, Search) (Report, error) { return Report{}, nil })
	handler := handlerOf(t, append(parts, said), append(served, rest.Query[Search]("GET /branches/{branch}/accounts"),
		rest.Command[Open]("PUT /vault/{id...}", rest.Summary("Opens a vault.")), rest.Title("Bank"))...)
	d := describedBy(t, handler)
	if d.OpenAPI != "3.1.0" || d.Info.Title != "Bank" || d.Info.Version == "" {
		t.Errorf("openapi %q, info %+v", d.OpenAPI, d.Info)
	}
	wantPaths := []string{"/accounts", "/accounts/{id}", "/accounts/{id}/deposits", "/branches/{branch}/accounts", "/vault/{id}"}
	if got := slices.Sorted(maps.Keys(d.Paths)); !slices.Equal(got, wantPaths) {
		t.Errorf("paths %q, want %q", got, wantPaths)
	}
	ids := make(map[string]bool)
	for path, methods := range d.Paths {
		for method, o := range methods {
			checkOperation(t, d, method+" "+path, o)
			if ids[o.OperationID] {
				t.Errorf("%s %s: operation id %q stands twice", method, path, o.OperationID)
			}
			ids[o.OperationID] = true
		}
	}
	for name, s := range d.Components.Schemas {
		checkSchema(t, d, name, s)
	}
	if got := d.Paths["/vault/{id}"]["put"]; got.Summary != "Opens a vault." || got.OperationID != "account.open-2" {
		t.Errorf("the second operation of a name: %q, %q", got.OperationID, got.Summary)
	}
}

// checkOperation checks what every operation has: answers, an error among them, and all parameters of its path.
func checkOperation(t *testing.T, d document, name string, o operation) {
	t.Helper()
	if o.OperationID == "" || o.Summary == "" {
		t.Errorf("%s has operation id %q and summary %q", name, o.OperationID, o.Summary)
	}
	for _, status := range []string{"200", "400", "404", "500", "503", "504"} {
		if _, ok := o.Responses[status]; !ok {
			t.Errorf("%s does not say what it answers with status %s", name, status)
		}
	}
	for status, answer := range o.Responses {
		media := "application/json"
		if status >= "400" {
			media = "application/problem+json"
		}
		content, ok := answer.Content[media]
		if answer.Description == "" || !ok && status != "304" {
			t.Errorf("%s: status %s has description %q and content %v", name, status, answer.Description, answer.Content)
		}
		checkSchema(t, d, name+" "+status, content["schema"])
		if status >= "400" && content["schema"].Ref != "#/components/schemas/Problem" {
			t.Errorf("%s: status %s is answered with %s", name, status, content["schema"].Ref)
		}
	}
	for _, match := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(name, -1) {
		if !slices.ContainsFunc(o.Parameters, func(p described) bool { return p.Name == match[1] && p.In == "path" && p.Required }) {
			t.Errorf("%s does not describe its parameter %s", name, match[1])
		}
	}
	for _, p := range o.Parameters {
		if p.In != "path" && p.In != "query" && p.In != "header" || p.Schema.Type == nil && p.Schema.Ref == "" {
			t.Errorf("%s: parameter %+v", name, p)
		}
	}
}

// checkSchema checks that references lead somewhere and that no list may be null.
func checkSchema(t *testing.T, d document, where string, s schema) {
	t.Helper()
	if s.Ref != "" {
		if _, ok := d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]; !ok {
			t.Errorf("%s refers to %s, which is not there", where, s.Ref)
		}
	}
	if types, several := s.Type.([]any); several && slices.Contains(types, any("array")) {
		t.Errorf("%s is a list that may be null", where)
	}
	if s.Items != nil {
		checkSchema(t, d, where+"[]", *s.Items)
	}
	for name, property := range s.Properties {
		checkSchema(t, d, where+"."+name, property)
	}
	for _, one := range s.AnyOf {
		checkSchema(t, d, where, one)
	}
}

func TestDescriptionOfRequests(t *testing.T) {
	t.Parallel()
	parts, served := bank()
	said := cqrs.Query("search", func(context.Context, Search) (string, error) { return "", nil })
	d := describedBy(t, handlerOf(t, append(parts, said), append(served, rest.Query[Search]("GET /branches/{branch}/accounts"))...))

	open := d.Components.Schemas["Open"]
	if diff := cmp.Diff([]string{"id", "owner"}, open.Required); diff != "" {
		t.Errorf("required fields of a command (-want +got):\n%s", diff)
	}
	deposit := d.Paths["/accounts/{id}/deposits"]["post"].RequestBody
	if deposit == nil || !deposit.Required || !slices.Equal(deposit.Content["application/json"]["schema"].Required, []string{"pence"}) {
		t.Errorf("the body leaves out what the path gives: %+v", deposit)
	}
	if body := d.Paths["/accounts/{id}"]["delete"].RequestBody; body == nil || body.Required {
		t.Errorf("a body that the path makes superfluous: %+v", body)
	}
	headers := make(map[string]bool)
	for _, p := range d.Paths["/accounts"]["post"].Parameters {
		headers[p.In+" "+p.Name] = p.Required
	}
	if diff := cmp.Diff(map[string]bool{"header Idempotency-Key": false, "header If-Match": false, "header If-None-Match": false}, headers); diff != "" {
		t.Errorf("headers of a command (-want +got):\n%s", diff)
	}
	if _, ok := d.Paths["/accounts"]["post"].Responses["201"].Headers[rest.HeaderPosition]; !ok {
		t.Error("the answer to a command does not tell of its position header")
	}
	found := make(map[string]described)
	for _, p := range d.Paths["/branches/{branch}/accounts"]["get"].Parameters {
		found[p.Name] = p
	}
	want := []string{"branch", "by", "from", "least", "level", "must", "open", "tag", "top"}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
		t.Errorf("parameters %q, want %q", got, want)
	}
	if !found["must"].Required || found["by"].Required || found["top"].Schema.Default != float64(10) || found["from"].Schema.Format != "date-time" ||
		found["level"].Schema.Type != "string" || found["tag"].Schema.Type != "array" || found["open"].Schema.Type != "boolean" {
		t.Errorf("parameters %+v", found)
	}
}

// Two types of one name, a recursive one, and types whose JSON is their own.
type (
	Problem struct {
		Score Score    `json:"score"`
		Inner *Problem `json:"inner"`
		Sum   Sum      `json:"sum"`
	}
	Score struct{ of, out int }
	Sum   int64
)

func (s Score) MarshalJSON() ([]byte, error)          { return json.Marshal([]int{s.of, s.out}) }
func (s Sum) MarshalText() ([]byte, error)            { return []byte("0.00"), nil }
func (s *Sum) UnmarshalText([]byte) error             { return nil }
func (s *Score) UnmarshalJSON(data []byte) error      { return json.Unmarshal(data, &[]int{}) }
func puzzle(context.Context, Slow) ([]Problem, error) { return []Problem{{Score: Score{1, 2}}}, nil }

func TestDescriptionOfOtherTypes(t *testing.T) {
	t.Parallel()
	model := projection.Keyed("balances", projection.On("account.opened", Balance.Opened))
	handler := handlerOf(t, []carillon.Describer{cqrs.Query("puzzle", puzzle), model}, rest.Get("GET /a/{id}", model), rest.Query[Slow]("GET /puzzle"))
	d := describedBy(t, handler)
	other := d.Components.Schemas["Rest_testProblem"]
	if _, ok := d.Components.Schemas["Problem"].Properties["title"]; !ok || len(other.Properties) != 3 {
		t.Fatalf("two types of one name: %v", slices.Sorted(maps.Keys(d.Components.Schemas)))
	}
	if got := other.Properties["score"]; got.Type != nil || got.Ref != "" {
		t.Errorf("nothing is known of what a method writes: %+v", got)
	}
	if got := other.Properties["sum"]; got.Type != "string" {
		t.Errorf("what is written as text is a string: %+v", got)
	}
	if got := other.Properties["inner"].AnyOf; len(got) != 2 || got[0].Ref != "#/components/schemas/Rest_testProblem" || got[1].Type != "null" {
		t.Errorf("a pointer to an object may be null: %+v", got)
	}
	const want = `[{"score":[1,2],"inner":null,"sum":"0.00"}]`
	if got := must(t, handler, 200, http.MethodGet, "/puzzle", ""); got.body != want {
		t.Errorf("body %s, want %s", got.body, want)
	}
}

func TestDocsLoadNothingFromTheNetwork(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	for path, media := range map[string]string{
		"/docs": "text/html; charset=utf-8", "/docs/docs.js": "text/javascript; charset=utf-8", "/docs/docs.css": "text/css; charset=utf-8",
	} {
		got := must(t, handler, 200, http.MethodGet, path, "")
		if got.header.Get("Content-Type") != media {
			t.Errorf("%s is %s, want %s", path, got.header.Get("Content-Type"), media)
		}
		if found := regexp.MustCompile(`(?i)https?:|(src|href|url)\s*[=(]\s*["']?//|@import|\bon\w+\s*=\s*"`).FindString(got.body); found != "" {
			t.Errorf("%s holds %q", path, found)
		}
		policy := got.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s has policy %q", path, policy)
		}
	}
	page := must(t, handler, 200, http.MethodGet, "/docs", "").body
	if regexp.MustCompile(`(?i)<script>|<script[^>]*>[^<]|<style|style=`).MatchString(page) {
		t.Error("the page holds script or style of its own, which its policy forbids")
	}
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		must(t, handler, 200, http.MethodGet, "/"+match[1], "")
	}
}
