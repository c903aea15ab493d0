package app_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// damage changes a bit in the middle of a text of the events log.
func (s *site) damage(text string) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "journal", "jetstream", "$G", "streams", "BUTLER_events", "msgs", "*.blk"))
	must(s.t, err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		must(s.t, err)
		if at := bytes.Index(body, []byte(text)); at >= 0 {
			body[at+len(text)/2] ^= 1
			must(s.t, os.WriteFile(file, body, 0o600))
			return
		}
	}
	s.t.Fatalf("%q is in none of %d files", text, len(files))
}

func TestJournal_damageIsToldAndCostsNothingElse(t *testing.T) {
	settings := demo.Settings{Off: []string{"email", "slack", "influxdb", "disklog"}}
	s := startSite(t, settings)
	first := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(1)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(2)
	s.stopApp()

	s.damage(first.ExecutionID)
	s.startApp(settings)
	s.until("the damage shown", func() bool { state, _ := s.component("journal/files"); return state == "degraded" })
	if n := s.logs.FilterMessageSnippet("files of the journal are damaged").Len(); n != 1 {
		t.Errorf("want one error in the log, got %d", n)
	}
	s.untilMetric("butler_journal_corrupt_records_total 1")
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(3)
	s.stopApp()

	must(t, os.RemoveAll(filepath.Join(s.dir, "journal", "damaged")))
	s.startApp(settings)
	s.until("nothing shown when the operator has removed the copies", func() bool { state, _ := s.component("journal/files"); return state == "up" })
}

func TestJournal_tellsOfEventsThatOnlyTheLedgerKnowsOf(t *testing.T) {
	settings := demo.Settings{Off: []string{"email", "slack", "influxdb", "disklog"}}
	s := startSite(t, settings)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(1)
	s.stopApp()

	dir := filepath.Join(s.dir, "journal")
	for _, lost := range []string{"DIARY", "meta", filepath.Join("jetstream", "$G", "streams", "BUTLER_events")} {
		must(t, os.RemoveAll(filepath.Join(dir, lost)))
	}
	s.startApp(settings)
	s.until("the loss shown", func() bool { state, _ := s.component("journal/files"); return state == "degraded" })
	s.untilMetric("butler_journal_corrupt_records_total 1")
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(2)
}

func TestJournal_alertsAgainRatherThanNotAtAllWhenTheLedgerIsLost(t *testing.T) {
	settings := demo.Settings{Off: []string{"email", "slack", "influxdb", "disklog"}}
	s := startSite(t, settings)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(1)
	s.stopApp()

	must(t, os.RemoveAll(filepath.Join(s.dir, "journal", "jetstream", "$G", "streams", "BUTLER_ledger")))
	s.startApp(settings)
	s.until("the loss shown", func() bool { state, _ := s.component("journal/files"); return state == "degraded" })
	if code := s.get("/readyz", nil); code != http.StatusOK {
		t.Errorf("want the service ready, got %d", code)
	}
	s.idle(2)
}
