package app_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
	"butler/internal/trail"
	"butler/messages"
)

// journals holds the directory of a journal for each version of its records,
// as a service of that time left it, with one file that names the executions
// that nobody was notified of yet, and one that names those of distribute tasks that
// were followed, and one with the versions of all records of that time. A new version
// of a record adds one: name it here, and run this test with -update. None is ever changed.
const (
	journals      = "testdata/journals"
	newestJournal = "destination-list-1"
	waitingList   = "waiting.txt"
	followedList  = "followed.txt"
	versionsList  = "versions.txt"
)

// recordVersions lists every record with the newest version that it has an example of.
// Each package has a test that demands the example of the version that is written.
func recordVersions(t *testing.T) string {
	t.Helper()
	newest := map[string]int{}
	note := func(version, name string) {
		n, err := strconv.Atoi(version)
		must(t, err)
		newest[name] = max(newest[name], n)
	}
	for _, root := range []string{"actors", "internal"} {
		files, err := filepath.Glob("../../" + root + "/*/testdata/v*/*")
		must(t, err)
		for _, file := range files {
			parts := strings.Split(filepath.ToSlash(file), "/") // .. .. root package testdata v1 name
			note(strings.TrimPrefix(parts[5], "v"), path.Join(root, parts[3], parts[6]))
		}
	}
	files, err := filepath.Glob("../../internal/journal/testdata/*.v*.hex")
	must(t, err)
	for _, file := range files {
		name, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".hex"), ".v")
		note(version, "internal/journal/"+name)
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		fmt.Fprintf(&out, "%s %d\n", name, newest[name])
	}
	return out.String()
}

// upgradeSettings are of the service that wrote the journals and of the one that reads them.
var upgradeSettings = demo.Settings{
	Off: []string{"email", "slack", "influxdb", "disklog"}, DegradedAfter: "1h", PollEvery: "1h",
	Extra: "  delivery: {parkedKeepFor: 876000h}\n" + strings.TrimPrefix(strings.Replace(restConfig, "%s", "", 1), "\n"),
}

func TestUpgrade_readsTheJournalsOfEarlierReleases(t *testing.T) {
	if _, err := os.Stat(filepath.Join(journals, newestJournal)); *update && err != nil {
		writeJournal(t, filepath.Join(journals, newestJournal))
	}
	directories, err := os.ReadDir(journals)
	must(t, err)
	for _, d := range directories {
		t.Run(d.Name(), func(t *testing.T) { wantsUpgrade(t, filepath.Join(journals, d.Name())) })
	}
}

func TestUpgrade_aNewVersionOfARecordHasAJournal(t *testing.T) {
	got, err := os.ReadFile(filepath.Join(journals, newestJournal, versionsList))
	must(t, err)
	want := recordVersions(t)
	if strings.Count(want, "\n") < 15 {
		t.Fatalf("want the examples of all records found, got\n%s", want)
	}
	if diff := cmp.Diff(want, strings.ReplaceAll(string(got), "\r", "")); diff != "" {
		t.Errorf("a record has a version that no whole journal was written with: name a new one in newestJournal, and run TestUpgrade with -update\n%s", diff)
	}
}

// wantsUpgrade starts the service on a copy of a journal.
func wantsUpgrade(t *testing.T, from string) {
	t.Helper()
	s := siteOf(t)
	must(t, os.CopyFS(filepath.Join(s.dir, "journal"), os.DirFS(from)))
	must(t, os.RemoveAll(filepath.Join(s.dir, "journal", versionsList)))
	waiting, followed := listIn(t, filepath.Join(s.dir, "journal", waitingList)), listIn(t, filepath.Join(s.dir, "journal", followedList))
	settings := upgradeSettings
	// The site of that time is gone: what was not decided goes out with what is known,
	// and of what is followed a newer execution is found.
	settings.DegradedAfter, settings.PollEvery = "1s", "1s"
	s.startApp(settings)
	s.idle(len(waiting))
	got := map[string]int{}
	for _, r := range s.sim.HTTP.History().All() {
		for _, id := range waiting {
			if strings.Contains(string(r.Body), id) {
				got[id]++
			}
		}
	}
	for _, id := range waiting {
		if got[id] != 1 {
			t.Errorf("want the alert of execution %s sent once, got %d", id, got[id])
		}
	}
	s.untilMetric("butler_journal_corrupt_records_total 0")
	s.wantCall(http.MethodGet, "/v4/keyvalues/etl?key=lastRun", "", http.StatusOK, "2031-01-05")
	s.untilMetric(`butler_dead_letters(\{[^}]*\})? 1`)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(len(waiting) + 1)
	for _, id := range followed {
		s.until("an end of the following", func() bool { return s.explain(id).State != trail.Following })
		wantStory(t, s.explain(id), trail.Silent, "received", "distribute task is followed", "looked_up  task: answered", "event handled")
	}
}

// listIn reads and removes a list of executions, which older journals may not have.
func listIn(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	must(t, os.Remove(path))
	return strings.Fields(string(text))
}

// writeJournal leaves a journal with something of everything: events that were
// handled and one that was not, alerts that wait, one that is parked, a distribute
// task that is followed, and a value.
func writeJournal(t *testing.T, to string) {
	t.Helper()
	s := startSite(t, upgradeSettings)
	s.sim.HTTP.Faults().Set(edge.Rule{Kind: edge.Status, Status: http.StatusUnprocessableEntity})
	s.run(qlik.TaskReload, world.Abort(), messages.FamilyAborted)
	s.idle(1)
	s.sim.HTTP.Faults().Clear()
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(2)
	s.wantCall(http.MethodPost, "/v4/keyvalues/etl", `{"key":"lastRun","value":"2031-01-05"}`, http.StatusCreated, "")
	must(t, s.sim.HTTP.Refuse(true))
	followed, err := s.sim.World.Start(s.taskOf(qlik.TaskDistribute), world.Outcome{Final: qlik.StatusFinishedFail, Duration: time.Hour})
	must(t, err)
	s.announce(followed, messages.FamilyDistribute)
	s.until("the task followed", func() bool { return s.explain(followed.ExecutionID).State == trail.Following })
	var waiting []string
	for range 2 {
		waiting = append(waiting, s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed).ExecutionID)
	}
	s.until("two alerts that wait", func() bool { _, notices := s.app.Backlog(); return notices == 2 })
	must(t, s.sim.QRS.Outage(true))
	other, _ := s.sim.World.TaskOfType(qlik.TaskReload, 1) // of which nothing is known yet
	unknown := s.ended(other, world.Fail())
	s.announce(unknown, messages.FamilyFailed)
	waiting = append(waiting, unknown.ExecutionID)
	s.until("an event that is not decided", func() bool { events, _ := s.app.Backlog(); return events == 1 })
	s.stopApp()
	must(t, os.CopyFS(to, os.DirFS(filepath.Join(s.dir, "journal"))))
	for _, name := range []string{"RESERVE", "LOCK", "crash.txt"} { // made anew
		must(t, os.RemoveAll(filepath.Join(to, name)))
	}
	must(t, os.WriteFile(filepath.Join(to, versionsList), []byte(recordVersions(t)), 0o600))
	must(t, os.WriteFile(filepath.Join(to, waitingList), []byte(strings.Join(waiting, "\n")+"\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(to, followedList), []byte(followed.ExecutionID+"\n"), 0o600))
}
