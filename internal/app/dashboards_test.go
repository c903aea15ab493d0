package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// asked is a query of a panel of a dashboard.
type asked struct{ panel, kind, text string }

// queriesOf reads the queries out of a dashboard, as Grafana would.
func queriesOf(t *testing.T, name string) []asked {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana", name))
	must(t, err)
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct {
				Expr, Query string
				Datasource  struct{ UID string }
			}
		}
	}
	must(t, json.Unmarshal(text, &dashboard))
	var out []asked
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			out = append(out, asked{p.Title, p.Type, target.Expr + target.Query})
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s of %s: want the data source to be a variable, got %q", p.Title, name, target.Datasource.UID)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s of %s: want queries", p.Title, name)
		}
	}
	if len(out) < 20 {
		t.Fatalf("want the queries of %s, got %d", name, len(out))
	}
	return out
}

// metricNames are the names of metrics in a text.
var metricNames = regexp.MustCompile(`\b(butler|go|process)_\w+`)

func TestDashboards_nameExistingMetrics(t *testing.T) {
	page := metricsPage(t, worked(t).app)
	for _, q := range queriesOf(t, "butler-prometheus.json") {
		for _, name := range metricNames.FindAllString(q.text, -1) {
			if !strings.Contains(page, "\n"+name+" ") && !strings.Contains(page, "\n"+name+"{") {
				t.Errorf("%s: want a metric that exists, got %s", q.panel, name)
			}
		}
	}
}

// filled puts values in the place of the variables of a query.
func filled(query string, pairs ...string) (string, error) {
	query = strings.NewReplacer(pairs...).Replace(query)
	if left := regexp.MustCompile(`\$[a-zA-Z_]+`).FindString(query); left != "" {
		return "", fmt.Errorf("%s is no variable that is known", left)
	}
	return query, nil
}
