package world_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/qlik"
	"butler/internal/sim/world"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// noon is the epoch of a default world.
var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time             { return c.at }
func (c *clock) advance(by time.Duration)   { c.at = c.at.Add(by) }
func newClock() *clock                      { return &clock{at: noon} }
func at(c *clock, seed uint64) *world.World { return world.New(world.Options{Seed: seed, Now: c.now}) }

func dump(t *testing.T, w *world.World) string {
	t.Helper()
	var b strings.Builder
	write := func(document any) {
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	for task := range w.Tasks() {
		write(task)
		log, _ := w.ScriptLog(task.ID, task.Operational.LastExecutionResult.ID)
		write(log.Lines())
	}
	for app := range w.Apps() {
		write(app)
	}
	for user := range w.Users() {
		write(user)
	}
	for _, kind := range []world.LicenceKind{world.Professional, world.Analyzer} {
		for access := range w.AccessTypes(kind) {
			write(access)
		}
	}
	for _, document := range []any{w.Streams(), w.Tags(), w.Definitions(), w.Nodes(), w.Licence(), w.Overview(), w.SystemInfo()} {
		write(document)
	}
	return b.String()
}

func TestWorld_sameSeedGivesSameBytes(t *testing.T) {
	options := world.Options{Seed: 7, Tasks: 60, Apps: 20, Users: 40, Now: newClock().now}
	first, second := dump(t, world.New(options)), dump(t, world.New(options))
	if first != second {
		t.Error("two worlds of the same seed differ")
	}
	options.Seed = 8
	if dump(t, world.New(options)) == first {
		t.Error("two worlds of different seeds are equal")
	}
}

func TestWorld_ofSeedOneIsTheRecordedOne(t *testing.T) {
	got := dump(t, at(newClock(), 1))
	golden := filepath.Join("testdata", "seed1.jsonl")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("world of seed 1 changed (-want +got), run with -update if intended:\n%s", diff)
	}
}

func TestWorld_everyTaskIsFoundByItsID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world.New(world.Options{Seed: rapid.Uint64().Draw(t, "seed"), Tasks: 1_000_000, Now: newClock().now})
		id := w.TaskID(rapid.IntRange(0, 999_999).Draw(t, "number"))
		if !qlik.IsGUID(id) {
			t.Fatalf("%q is no GUID", id)
		}
		task, ok := w.Task(strings.ToUpper(id))
		if !ok || task.ID != id {
			t.Fatalf("task %s not found: %v %q", id, ok, task.ID)
		}
	})
}

func TestWorld_foreignIdentifiersAreUnknown(t *testing.T) {
	w := at(newClock(), 1)
	other := at(newClock(), 2)
	for name, id := range map[string]string{
		"other world": other.TaskID(0),
		"an app":      firstApp(w).ID,
		"zero":        qlik.ZeroGUID,
		"no GUID":     "Daily Sales Reload",
		"empty":       "",
		"braces":      "{" + w.TaskID(0) + "}",
	} {
		if _, ok := w.Task(id); ok {
			t.Errorf("%s: %q names a task", name, id)
		}
	}
}

func TestWorld_aMillionTasksCostNothingToMake(t *testing.T) {
	w := world.New(world.Options{Seed: 3, Tasks: 1_000_000, Apps: 10_000, Now: newClock().now})
	seen := make(map[string]bool)
	for n := 999_000; n < 1_000_000; n++ {
		task, ok := w.Task(w.TaskID(n))
		if !ok || seen[task.ID] || task.Name == "" {
			t.Fatalf("task %d: found %v, ID %q, name %q", n, ok, task.ID, task.Name)
		}
		seen[task.ID] = true
		if task.App != nil {
			if _, ok := w.App(task.App.ID); !ok {
				t.Fatalf("task %d refers to app %s, which is not there", n, task.App.ID)
			}
		}
	}
}

func TestWorld_hasTasksOfEveryType(t *testing.T) {
	w := at(newClock(), 1)
	for _, kind := range qlik.TaskTypes() {
		for n := range 20 {
			id, ok := w.TaskOfType(kind, n)
			if !ok {
				t.Fatalf("no %s task", kind)
			}
			if task, _ := w.Task(id); qlik.TaskType(task.TaskType) != kind {
				t.Errorf("task %d of type %s has type %d", n, kind, task.TaskType)
			}
		}
	}
}

// statuses reads the task every step of the clock, and returns the states without repetition.
func statuses(w *world.World, c *clock, id string, step time.Duration, n int) []qlik.ExecutionStatus {
	var out []qlik.ExecutionStatus
	for range n {
		task, _ := w.Task(id)
		status := qlik.ExecutionStatus(task.Operational.LastExecutionResult.Status)
		if len(out) == 0 || out[len(out)-1] != status {
			out = append(out, status)
		}
		c.advance(step)
	}
	return out
}

func TestWorld_executionMovesThroughItsStates(t *testing.T) {
	tests := []struct {
		name    string
		kind    qlik.TaskType
		outcome world.Outcome
		want    []qlik.ExecutionStatus
	}{
		{"reload succeeds", qlik.TaskReload, world.Succeed(), []qlik.ExecutionStatus{3, 1, 2, 7}},
		{"reload fails", qlik.TaskReload, world.Fail(), []qlik.ExecutionStatus{3, 1, 2, 8}},
		{"reload is aborted", qlik.TaskReload, world.Abort(), []qlik.ExecutionStatus{3, 1, 2, 4, 5, 6}},
		{"distribute", qlik.TaskDistribute, world.Succeed(), []qlik.ExecutionStatus{3, 1, 2, 13, 14, 7}},
		{"scripted", qlik.TaskDistribute, world.Outcome{
			Final: qlik.StatusError, Through: []qlik.ExecutionStatus{qlik.StatusRetry, qlik.StatusDistributionQueue},
		}, []qlik.ExecutionStatus{3, 1, 2, 10, 13, 11}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClock()
			w := at(c, 1)
			id, _ := w.TaskOfType(test.kind, 0)
			test.outcome.Duration = 10 * time.Second
			if _, err := w.Start(id, test.outcome); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, statuses(w, c, id, 5*time.Millisecond, 2100)); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWorld_finalDetailMayComeLate(t *testing.T) {
	c := newClock()
	w := at(c, 1)
	id := w.TaskID(0)
	_, err := w.Start(id, world.Outcome{Duration: 4 * time.Second, LateDetail: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	const final = "Changing task state from Started to FinishedSuccess"
	for _, test := range []struct {
		after time.Duration
		want  bool
	}{{4 * time.Second, false}, {2 * time.Second, false}, {time.Second, true}} {
		c.advance(test.after)
		task, _ := w.Task(id)
		result := task.Operational.LastExecutionResult
		if result.Status != int(qlik.StatusFinishedSuccess) {
			t.Errorf("status at %v = %d, want 7", c.at.Sub(noon), result.Status)
		}
		last := result.Details[len(result.Details)-1]
		if got := last.Message == final; got != test.want {
			t.Errorf("final detail at %v: %v, want %v", c.at.Sub(noon), got, test.want)
		}
		if test.want && last.DetailCreatedDate != "2026-05-06T12:00:04.000Z" {
			t.Errorf("final detail is dated %s", last.DetailCreatedDate)
		}
	}
}

func TestWorld_fileReferenceIsZeroForTheFirstReads(t *testing.T) {
	c := newClock()
	w := at(c, 1)
	id := w.TaskID(0)
	if _, err := w.Start(id, world.Outcome{Duration: time.Second, ZeroFileReferenceReads: 2}); err != nil {
		t.Fatal(err)
	}
	w.ReadTask(id) // a read of the running task does not count
	c.advance(time.Minute)
	var zero []bool
	for range 4 {
		w.Task(id) // neither does a look without reading
		task, _ := w.ReadTask(id)
		zero = append(zero, task.Operational.LastExecutionResult.FileReferenceID == qlik.ZeroGUID)
	}
	if diff := cmp.Diff([]bool{true, true, false, false}, zero); diff != "" {
		t.Errorf("zero references (-want +got):\n%s", diff)
	}
}

func TestWorld_scriptLogAppearsWhenTheExecutionEnds(t *testing.T) {
	c := newClock()
	w := at(c, 1)
	id := w.TaskID(0)
	execution, err := w.Start(id, world.Outcome{Final: qlik.StatusFinishedFail, Duration: time.Minute, ScriptLogLines: 12})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.ScriptLog(id, execution.ResultID); ok {
		t.Error("a running reload has a script log")
	}
	c.advance(time.Minute)
	log, ok := w.ScriptLog(id, execution.ResultID)
	if !ok {
		t.Fatal("a finished reload has no script log")
	}
	task, _ := w.Task(id)
	result := task.Operational.LastExecutionResult
	if got := len(log.Text("\r\n")); got != result.ScriptLogSize {
		t.Errorf("log has %d bytes, the task says %d", got, result.ScriptLogSize)
	}
	if !strings.Contains(log.Text("\n"), execution.ExecutionID) {
		t.Error("the log does not name its execution")
	}
	if _, ok := w.ScriptLog(id, result.FileReferenceID); !ok {
		t.Error("the file reference does not lead to the log")
	}
	if _, err := w.Start(id, world.Succeed()); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.ScriptLog(id, execution.ResultID); ok {
		t.Error("the log of an older execution is served")
	}
}

func TestWorld_abortEndsARunningExecution(t *testing.T) {
	c := newClock()
	w := at(c, 1)
	id := w.TaskID(0)
	if _, ok := w.Abort(id); ok {
		t.Error("a task that is not running was aborted")
	}
	if _, err := w.Start(id, world.Outcome{Duration: time.Minute}); err != nil {
		t.Fatal(err)
	}
	c.advance(30 * time.Second)
	if execution, ok := w.Abort(id); !ok || !execution.End.Equal(c.at) {
		t.Fatalf("a running task was not aborted: %v, %+v", ok, execution)
	}
	task, _ := w.Task(id)
	if got := task.Operational.LastExecutionResult; got.Status != int(qlik.StatusAborted) || got.Duration != 30_000 {
		t.Errorf("status %d after %d ms, want 6 after 30000", got.Status, got.Duration)
	}
}

func TestWorld_everyRunHasIdentifiersOfItsOwn(t *testing.T) {
	w := at(newClock(), 1)
	first, err := w.Start(w.TaskID(0), world.Fail())
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Start(w.TaskID(0), world.Fail())
	if err != nil {
		t.Fatal(err)
	}
	if last, ran := w.Last(w.TaskID(0)); !ran || last != second {
		t.Errorf("last execution %+v, want %+v", last, second)
	}
	if first.ExecutionID == second.ExecutionID || first.ResultID == second.ResultID {
		t.Error("two executions share an identifier")
	}
	if _, err := w.Start(qlik.ZeroGUID, world.Fail()); !errors.Is(err, world.ErrNoTask) {
		t.Errorf("starting an unknown task: %v, want ErrNoTask", err)
	}
}

func TestWorld_editsAndDeletions(t *testing.T) {
	w := at(newClock(), 1)
	id := w.TaskID(3)
	w.EditTask(id, func(task *world.Task) {
		task.Tags = append(task.Tags, w.TagReference("brand new"))
		task.CustomProperties = append(task.CustomProperties, w.PropertyValue("Butler_FailedAlertSendToEmail", "x@example.com"))
	})
	for range 2 {
		task, _ := w.Task(id)
		last := task.CustomProperties[len(task.CustomProperties)-1]
		if n := len(task.Tags); task.Tags[n-1].Name != "brand new" || n != 3 || last.Value != "x@example.com" {
			t.Fatalf("edited task: %+v %+v", task.Tags, task.CustomProperties)
		}
	}
	if !w.Delete(strings.ToUpper(id)) || w.Delete(id) {
		t.Error("a task can be deleted exactly once")
	}
	if _, ok := w.Task(id); ok {
		t.Error("a deleted task is still there")
	}
	for task := range w.Tasks() {
		if task.ID == id {
			t.Error("a deleted task is still listed")
		}
	}
}

func TestWorld_releasedLicencesBecomeAvailable(t *testing.T) {
	w := at(newClock(), 1)
	before := w.Overview().AnalyzerAccess
	for access := range w.AccessTypes(world.Analyzer) {
		if !access.Quarantined && !w.Delete(access.ID) {
			t.Fatalf("licence %s cannot be released", access.ID)
		}
		break
	}
	after := w.Overview().AnalyzerAccess
	if after.Allocated != before.Allocated-1 || after.Available != before.Available+1 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestWorld_licenceExpires(t *testing.T) {
	c := newClock()
	w := at(c, 1)
	w.SetLicenceEnd(noon.AddDate(0, 0, 10))
	if licence := w.Licence(); licence.IsExpired || !strings.Contains(licence.KeyDetails, "\nValid To: 2026-05-16\n") {
		t.Errorf("licence %+v", licence)
	}
	c.advance(11 * 24 * time.Hour)
	if !w.Licence().IsExpired {
		t.Error("the licence does not expire")
	}
}

func firstApp(w *world.World) world.App {
	for app := range w.Apps() {
		return app
	}
	panic("BUG: no app")
}
