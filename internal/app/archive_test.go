package app_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// archiveName returns where the script log of an event belongs, below the
// archive's directory. Two failures of a task in one second share a name.
func archiveName(e messages.TaskEvent) string {
	const second = "2006-01-02 15:04:05"
	at, err := time.Parse(second, e.LogTimestamp[:min(len(second), len(e.LogTimestamp))])
	if err != nil {
		at = e.At.Local() // a text from the network leads nowhere
	}
	return path.Join(at.Format("2006-01-02"), at.Format("2006-01-02_15-04-05")+"_appId="+e.AppID+"_taskId="+e.TaskID+".log")
}

// readArchive reads the script logs on disk; no directory holds none.
func (o *oracle) readArchive(t *testing.T, dir string) {
	t.Helper()
	o.archive = map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		o.archive[name] = string(text)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// noteLogless remembers that a message says that there is no script log.
func (o *oracle) noteLogless(execution, text string) {
	if strings.Contains(text, "the script log could not be fetched") {
		o.logless[execution] = true
	}
}

// lastWords end the script log of an execution.
var lastWords = map[qlik.ExecutionStatus]string{
	qlik.StatusFinishedFail: " Execution finished.", qlik.StatusAborted: " Execution aborted.",
}

// mayBeLogless is the share, one in so many, of script logs that may be impossible
// to fetch. The repository is never gone for long, and asking again is allowed.
const mayBeLogless = 10

// checkArchive makes sure that the script log of every failed reload is on disk,
// whole and in its place, unless somebody was told that it could not be fetched.
func (o *oracle) checkArchive() {
	belongs := map[string]*execution{}
	for _, a := range o.accepted {
		e := o.executions[a.execution]
		if e == nil || !e.known || a.family != messages.FamilyFailed || e.typ != qlik.TaskReload {
			continue
		}
		belongs[a.file] = e
		if _, archived := o.archive[a.file]; !archived && !o.logless[a.execution] {
			o.problem("%s, the script log of %s, is not on disk; %s", a.file, e, o.story(a.execution))
		}
	}
	if n := len(o.logless); n > len(belongs)/mayBeLogless {
		o.problem("%d script logs could not be fetched, and %d have a place on disk", n, len(belongs))
	}
	for _, name := range slices.Sorted(maps.Keys(o.archive)) {
		switch e, text := belongs[name], o.archive[name]; {
		case e == nil:
			o.problem("%s is on disk and belongs to no failed reload", name)
		case !strings.Contains(text, "("+e.appID+")") || !strings.Contains(text, " Execution started.\n"),
			!strings.HasSuffix(strings.TrimSpace(text), lastWords[e.final]):
			o.problem("%s is not the whole script log of %s: %.300q", name, e, text)
		}
	}
}
