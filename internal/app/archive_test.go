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
// archive's directory. The log of a second failure of a task in one second has
// a name of its own; see ownLog. An event whose time leads nowhere has the time at which it came.
func archiveName(e messages.TaskEvent) string {
	at, ok := timeOf(e)
	if !ok {
		at = e.At.Local()
	}
	return path.Join(at.Format("2006-01-02"), at.Format("2006-01-02_15-04-05")+archiveEnd(e))
}

// archiveEnd is the part of the name that does not depend on a clock.
func archiveEnd(e messages.TaskEvent) string {
	return "_appId=" + e.AppID + "_taskId=" + e.TaskID + ".log"
}

// ownLog takes apart the name of a script log that has the ID of its execution in it,
// because another log has the shared name.
func ownLog(name string) (shared, execution string, own bool) {
	before, after, own := strings.Cut(name, "_executionId=")
	return before + ".log", strings.ToLower(strings.TrimSuffix(after, ".log")), own
}

// timeOf reads the time that an event tells; a text from the network may tell none.
func timeOf(e messages.TaskEvent) (time.Time, bool) {
	const second = "2006-01-02 15:04:05"
	at, err := time.Parse(second, e.LogTimestamp[:min(len(second), len(e.LogTimestamp))])
	return at, err == nil
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
// to fetch while the repository is never gone for long: asking again is allowed.
const mayBeLogless = 10

// checkArchive makes sure that the script log of every failed reload is on disk,
// whole and in its place, unless somebody was notified that it could not be fetched.
// An event whose time leads nowhere is named by when it came: of one that came
// twice, either name will do, and one that came together with another failure of
// its task shares the other's name.
func (o *oracle) checkArchive() {
	belongs := map[string]*execution{}
	names := map[string][]string{}  // of the script log of an execution
	nameless := map[string]string{} // the end of its name, where its time is not known
	for _, a := range o.accepted {
		e := o.executions[a.execution]
		if e == nil || !e.known || a.family != messages.FamilyFailed || e.typ != qlik.TaskReload {
			continue
		}
		if a.timeless != "" {
			nameless[a.execution] = a.timeless
			continue
		}
		belongs[a.file] = e
		names[a.execution] = append(names[a.execution], a.file)
	}
	archived := func(name string) bool { _, found := o.archive[name]; return found }
	own := map[string]bool{} // has a log with its ID in the name
	for name := range o.archive {
		shared, execution, ok := ownLog(name)
		end := nameless[execution]
		if ok && archived(shared) && (slices.Contains(names[execution], shared) || end != "" && strings.HasSuffix(shared, end)) {
			belongs[name], own[execution] = o.executions[execution], true
		}
	}
	for _, execution := range slices.Sorted(maps.Keys(names)) {
		if own[execution] {
			continue
		}
		if !slices.ContainsFunc(names[execution], archived) && !o.logless[execution] && !o.poorer[execution] {
			o.problem("%s, the script log of %s, is not on disk; %s", names[execution][0], o.executions[execution], o.story(execution))
		}
	}
	sent, onDisk := o.sentTimes(), slices.Sorted(maps.Keys(o.archive))
	for _, execution := range slices.Sorted(maps.Keys(nameless)) {
		name := ownOrShared(onDisk, belongs, execution, nameless[execution], sent)
		switch {
		case own[execution]:
		case name != "":
			belongs[name] = o.executions[execution]
		case names[execution] == nil && !o.logless[execution] && !o.poorer[execution]:
			o.problem("no script log of %s is on disk; %s", o.executions[execution], o.story(execution))
		}
	}
	logless := maps.Clone(o.logless)
	maps.DeleteFunc(logless, func(execution string, _ bool) bool { return o.poorer[execution] })
	if n := len(logless); n > len(belongs)/mayBeLogless {
		o.problem("%d script logs could not be fetched, and %d have a place on disk", n, len(belongs))
	}
	for _, name := range onDisk {
		switch e, text := belongs[name], o.archive[name]; {
		case e == nil:
			o.problem("%s is on disk and belongs to no failed reload", name)
		case !strings.Contains(text, "("+e.appID+")") || !strings.Contains(text, " Execution started.\n"),
			!strings.HasSuffix(strings.TrimSpace(text), lastWords[e.final]):
			o.problem("%s is not the whole script log of %s: %.300q", name, e, text)
		}
	}
}

// ownOrShared returns a script log on disk whose name ends like this and that belongs to
// nobody yet, or else to an execution that was told of in the same second.
func ownOrShared(onDisk []string, belongs map[string]*execution, execution, end string, sent sentTimes) (shared string) {
	for _, name := range onDisk {
		if !strings.HasSuffix(name, end) {
			continue
		}
		switch owner := belongs[name]; {
		case owner == nil:
			return name
		case sent.within(time.Second, execution, owner.id):
			shared = name
		}
	}
	return shared
}

// sentTimes are the times at which datagrams of an execution were sent.
type sentTimes map[string][]time.Time

func (o *oracle) sentTimes() sentTimes {
	out := sentTimes{}
	for _, d := range o.sent {
		execution := strings.ToLower(d.execution)
		out[execution] = append(out[execution], d.at)
	}
	return out
}

// within reports whether datagrams of two executions were sent so close together.
func (s sentTimes) within(d time.Duration, one, other string) bool {
	return slices.ContainsFunc(s[strings.ToLower(one)], func(a time.Time) bool {
		return slices.ContainsFunc(s[strings.ToLower(other)], func(b time.Time) bool { return a.Sub(b).Abs() <= d })
	})
}
