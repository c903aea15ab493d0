package dashboard

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

//go:generate go test -run TestDashboards -count 1 . -update

var update = flag.Bool("update", false, "rewrite the dashboards of deploy/grafana")

func TestDashboards_areThoseOfTheTable(t *testing.T) {
	files, err := Dashboards()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join("..", "..", "deploy", "grafana", name)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), text) {
			t.Errorf("deploy/grafana/%s is out of date, see `make generate`", name)
		}
	}
}

func TestDashboards_panelsFillTheGridWithoutOverlap(t *testing.T) {
	for _, s := range []source{prometheus(), influxDB()} {
		taken, ids := map[[2]int]string{}, map[int]bool{}
		text, err := json.Marshal(s.layout())
		if err != nil {
			t.Fatal(err)
		}
		var panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
		}
		if err := json.Unmarshal(text, &panels); err != nil {
			t.Fatal(err)
		}
		for _, p := range panels {
			if ids[p.ID] {
				t.Errorf("%s: want IDs that differ, got %d twice", s.name, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= columns {
						t.Fatalf("%s: want a place for %s, got column %d, row %d, which %q has", s.name, p.Title, x, y, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

func TestDashboards_showEverySeriesOfSingleTasks(t *testing.T) {
	text, err := json.Marshal(prometheus().layout())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"butler_task_consecutive_failures", "butler_task_last_success_timestamp_seconds", "butler_task_last_execution_timestamp_seconds",
		"butler_task_last_execution_duration_seconds", "butler_task_info",
	} {
		if !bytes.Contains(text, []byte(name+"{")) {
			t.Errorf("no panel shows %s", name)
		}
	}
}
