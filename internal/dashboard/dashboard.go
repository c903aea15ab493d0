// Package dashboard owns the Grafana dashboards: a table of panels for each data
// source, and their JSON form in deploy/grafana.
//
// It guarantees that a dashboard is not tied to a data source: whoever imports it
// chooses one. It must never query a data source itself; tests of the running service
// check that every query has an answer.
package dashboard

import (
	"bytes"
	"encoding/json"
	"strings"
)

// kind is how a panel shows its data, in the words of Grafana.
type kind string

const (
	number kind = "stat"
	lines  kind = "timeseries"
	table  kind = "table"
)

// panel is one row of the table that a dashboard is made of.
type panel struct {
	title, help string
	kind        kind
	// unit is one of Grafana's.
	unit string
	// width is in columns, of which there are 24.
	width int
	// bad is the value from which a number is red; with good, it is red below the value.
	bad  float64
	good bool
	// queries are the data, each with its legend.
	queries []query
}

type query struct{ text, legend string }

// row is a heading with the panels below it.
type row struct {
	title  string
	panels []panel
}

// source is a kind of data source.
type source struct {
	name, uid, title, about string
	// target turns a query into Grafana's target for this data source.
	target func(q query, k kind) map[string]any
	// variables are the dashboard's variables beside the data source.
	variables []map[string]any
	rows      []row
}

// Dashboards returns the files of deploy/grafana by their names.
func Dashboards() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, s := range []source{prometheus(), influxDB()} {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", " ")
		if err := encoder.Encode(s.document()); err != nil {
			return nil, err
		}
		out["butler-"+s.name+".json"] = text.Bytes()
	}
	return out, nil
}

// document is the dashboard as Grafana imports it.
func (s source) document() map[string]any {
	variables := append([]map[string]any{{
		"name": "datasource", "label": "Data source", "type": "datasource", "query": s.name, "hide": 0, "refresh": 1,
	}}, s.variables...)
	return map[string]any{
		"uid": s.uid, "title": s.title, "description": s.about, "tags": []string{"butler", "qlik-sense"},
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
		"time": map[string]any{"from": "now-6h", "to": "now"}, "templating": map[string]any{"list": variables},
		"annotations": map[string]any{"list": []any{}}, "links": []any{}, "panels": s.layout(),
	}
}

// Sizes of panels, in units of Grafana's grid.
const (
	columns   = 24
	rowHeight = 1
	low, high = 4, 8
)

// layout places the panels from left to right and from top to bottom.
func (s source) layout() []any {
	var out []any
	id, x, y, tallest := 0, 0, 0, 0
	place := func(w, h int) map[string]any {
		if x+w > columns {
			x, y, tallest = 0, y+tallest, 0
		}
		at := map[string]any{"x": x, "y": y, "w": w, "h": h}
		x, tallest = x+w, max(tallest, h)
		return at
	}
	for _, r := range s.rows {
		id++
		x = columns // a heading begins a line
		out = append(out, map[string]any{
			"id": id, "type": "row", "title": r.title, "collapsed": false, "panels": []any{}, "gridPos": place(columns, rowHeight),
		})
		for _, p := range r.panels {
			id++
			h := high
			if p.kind == number {
				h = low
			}
			out = append(out, s.draw(p, id, place(p.width, h)))
		}
	}
	return out
}

// draw returns the JSON of one panel.
func (s source) draw(p panel, id int, at map[string]any) map[string]any {
	from := map[string]any{"type": s.name, "uid": "${datasource}"}
	targets := make([]any, len(p.queries))
	for i, q := range p.queries {
		target := s.target(q, p.kind)
		target["refId"], target["datasource"] = string(rune('A'+i)), from
		targets[i] = target
	}
	defaults := map[string]any{"unit": p.unit, "thresholds": thresholds(p)}
	if p.kind == lines {
		defaults["custom"] = map[string]any{"fillOpacity": 10, "showPoints": "never", "spanNulls": true}
	}
	out := map[string]any{
		"id": id, "type": string(p.kind), "title": p.title, "description": p.help, "datasource": from, "targets": targets, "gridPos": at,
		"fieldConfig": map[string]any{"defaults": defaults, "overrides": []any{}}, "options": options(p.kind),
	}
	if p.kind == table {
		out["transformations"] = transformations(p)
	}
	return out
}

// transformations merge the answers into one table, and name its columns. The time of
// an answer is hidden; the time of a stored point is shown.
func transformations(p panel) []any {
	names, hidden := map[string]any{}, map[string]any{}
	for i, q := range p.queries {
		if q.legend != "" {
			names["Value #"+string(rune('A'+i))] = q.legend
		}
	}
	if len(names) > 0 || !strings.HasPrefix(p.queries[0].text, "SELECT") {
		hidden["Time"] = true
	}
	return []any{
		map[string]any{"id": "merge", "options": map[string]any{}},
		map[string]any{"id": "organize", "options": map[string]any{"renameByName": names, "excludeByName": hidden}}, //nolint:misspell // the name that Grafana has for it
	}
}

// thresholds returns the colours of a number.
func thresholds(p panel) map[string]any {
	first, then := "green", "red"
	if p.good {
		first, then = then, first
	}
	steps := []any{map[string]any{"color": first, "value": nil}}
	if p.bad != 0 {
		steps = append(steps, map[string]any{"color": then, "value": p.bad})
	} else {
		steps[0] = map[string]any{"color": "text", "value": nil}
	}
	return map[string]any{"mode": "absolute", "steps": steps}
}

func options(k kind) map[string]any {
	switch k {
	case number:
		return map[string]any{
			"colorMode": "value", "graphMode": "area", "textMode": "auto",
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		}
	case table:
		return map[string]any{"showHeader": true}
	default:
		return map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		}
	}
}

// of makes the queries of a panel from pairs of text and legend.
func of(pairs ...string) []query {
	var out []query
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, query{strings.TrimSpace(pairs[i]), pairs[i+1]})
	}
	return out
}
