package cli

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

func TestDescribeOpenAPI(t *testing.T) {
	t.Parallel()
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(mustRun(t, "describe", "--format", "openapi")), &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1.") {
		t.Errorf("openapi is %q, want 3.1", document.OpenAPI)
	}
	want := []string{
		"/api/orders", "/api/orders/{id}", "/api/orders/{id}/cancel", "/api/reports/countries", "/api/reports/customers",
		"/api/reports/customers/{id}", "/api/reports/days", "/api/reports/products", "/api/reports/summary",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(document.Paths))); diff != "" {
		t.Errorf("paths, -want +got:\n%s", diff)
	}
}

func TestFlowChartsFollowTheMessages(t *testing.T) {
	t.Parallel()
	chart := flowChart(carillon.Description{Kind: "service", Parts: []carillon.Description{
		{Kind: "boundary", Name: "seats", Accepts: []string{"seat.take"}, Emits: []string{"seat.taken"}},
		{Kind: "command", Name: "mail.send"},
		{Kind: "reactor", Name: "mailer", Accepts: []string{"seat.taken"}},
		{Kind: "projection", Name: `plan "A" #1`, Accepts: []string{"seat.taken", "seat.freed"}},
		{Kind: "query", Name: "free.seats", Detail: map[string]string{"reads": `plan "A" #1`}},
		{Kind: "query", Name: "time"},
		{Kind: "server", Name: "rest"},
	}})
	want := `flowchart LR
  subgraph commands
    c1>"seat.take"]
    c2>"mail.send"]
  end
  subgraph aggregates
    a1["seats"]
  end
  subgraph events
    e1(["seat.taken"])
    e2(["seat.freed"])
  end
  subgraph projections
    p1[("mailer")]
    p2[("plan #quot;A#quot; #35;1")]
  end
  subgraph queries
    q1{{"free.seats"}}
    q2{{"time"}}
  end
  c1 --> a1
  a1 --> e1
  e1 --> p1
  e1 --> p2
  e2 --> p2
  p2 --> q1
`
	if diff := cmp.Diff(want, chart); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
