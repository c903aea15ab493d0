package execution

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"butler/internal/qlik"
	"butler/messages"
)

// ending is how an execution of a task ended, so long after the start of the test.
func ending(after time.Duration, f messages.Family, task messages.Task) *Report {
	e := event(f)
	e.At = epoch.Add(after)
	if task.ID != "" {
		e.TaskID = task.ID
	}
	return &Report{At: e.At, Outcome: OutcomeAlerted, Alert: &messages.Alert{Event: e, Task: task, Kind: messages.KindOf(f, task.Type)}}
}

// onlyBy is a choice by ID, of two tasks at the most.
func onlyBy(ids ...string) TaskWatch { return TaskWatch{IDs: ids, Limit: 2} }

func watching(t *testing.T, w TaskWatch) (*TaskMetrics, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	m := NewTaskMetrics(reg)
	m.Watch(w)
	return m, reg
}

// shown are the series without their comments and without the counter, the IDs shortened.
func shown(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		for _, one := range f.GetMetric() {
			var labels []string
			for _, l := range one.GetLabel() {
				labels = append(labels, strings.TrimPrefix(l.GetName(), "task_")+"="+strings.TrimPrefix(l.GetValue(), "a0000000-0000-4000-8000-"))
			}
			if len(labels) > 0 {
				name := strings.TrimPrefix(strings.TrimPrefix(f.GetName(), "butler_task_"), "last_execution_")
				value := one.GetGauge().GetValue()
				if strings.HasSuffix(name, "timestamp_seconds") {
					value -= float64(epoch.Unix())
				}
				out = append(out, fmt.Sprintf("%s{%s} %v", name, strings.Join(labels, " "), value))
			}
		}
	}
	return strings.Join(out, "\n")
}

func taskNamed(n int, name string, tags ...string) messages.Task {
	return messages.Task{
		Known: true, ID: fmt.Sprintf("a0000000-0000-4000-8000-%012d", n), Name: name, AppName: "Sales", Type: qlik.TaskReload, Tags: tags,
	}
}

func TestTaskMetrics_tellHowATaskDoes(t *testing.T) {
	const minute = time.Minute
	nightly := taskNamed(1, "Nightly")
	succeeded, failed, aborted := messages.FamilySucceeded, messages.FamilyFailed, messages.FamilyAborted
	unknown := messages.Task{ID: nightly.ID} // the repository did not answer
	long := ending(0, succeeded, nightly)
	long.Alert.Execution = messages.Execution{Known: true, Duration: 90 * time.Second}
	repeated := ending(minute, failed, nightly)
	repeated.Outcome = OutcomeAlreadyAlerted
	for _, row := range []struct {
		name  string
		tells []*Report
		want  []string
	}{
		{"nothing yet", nil, nil},
		{"it succeeds", []*Report{long}, []string{
			"consecutive_failures{id=000000000001} 0",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"duration_seconds{id=000000000001} 90",
			"success{id=000000000001} 1",
			"timestamp_seconds{id=000000000001} 0",
			"last_success_timestamp_seconds{id=000000000001} 0",
		}},
		{"it fails three times after that", []*Report{
			long, ending(minute, failed, nightly), ending(2*minute, failed, nightly), ending(3*minute, failed, nightly),
		}, []string{
			"consecutive_failures{id=000000000001} 3",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"success{id=000000000001} 0",
			"timestamp_seconds{id=000000000001} 180",
			"last_success_timestamp_seconds{id=000000000001} 0",
		}},
		{"it recovers", []*Report{ending(0, failed, nightly), ending(minute, succeeded, nightly)}, []string{
			"consecutive_failures{id=000000000001} 0",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"success{id=000000000001} 1",
			"timestamp_seconds{id=000000000001} 60",
			"last_success_timestamp_seconds{id=000000000001} 60",
		}},
		{"an abort is neither", []*Report{ending(0, failed, nightly), ending(minute, aborted, nightly)}, []string{
			"consecutive_failures{id=000000000001} 1",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"success{id=000000000001} 0",
			"timestamp_seconds{id=000000000001} 60",
		}},
		{"an event of an execution that was alerted counts once", []*Report{ending(0, failed, nightly), repeated}, []string{
			"consecutive_failures{id=000000000001} 1",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"success{id=000000000001} 0",
			"timestamp_seconds{id=000000000001} 0",
		}},
		{"word of a success that comes late", []*Report{ending(minute, failed, nightly), ending(0, succeeded, nightly)}, []string{
			"consecutive_failures{id=000000000001} 1",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"success{id=000000000001} 0",
			"timestamp_seconds{id=000000000001} 60",
			"last_success_timestamp_seconds{id=000000000001} 0",
		}},
		{"word of a failure that comes late", []*Report{ending(minute, succeeded, nightly), ending(0, failed, nightly)}, []string{
			"consecutive_failures{id=000000000001} 0",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"success{id=000000000001} 1",
			"timestamp_seconds{id=000000000001} 60",
			"last_success_timestamp_seconds{id=000000000001} 60",
		}},
		{"it is renamed", []*Report{ending(0, failed, nightly), ending(minute, failed, taskNamed(1, "Hourly"))}, []string{
			"consecutive_failures{id=000000000001} 2",
			"info{app_name=Sales id=000000000001 name=Hourly type=reload} 1",
			"success{id=000000000001} 0",
			"timestamp_seconds{id=000000000001} 60",
		}},
		{"the repository is silent: the names of the event", []*Report{ending(0, failed, unknown)}, []string{
			"consecutive_failures{id=000000000001} 1",
			"info{app_name=Sales id=000000000001 name=Daily type=unknown} 1",
			"success{id=000000000001} 0",
			"timestamp_seconds{id=000000000001} 0",
		}},
		{"the repository falls silent: the names it told", []*Report{ending(0, failed, nightly), ending(minute, failed, unknown)}, []string{
			"consecutive_failures{id=000000000001} 2",
			"info{app_name=Sales id=000000000001 name=Nightly type=reload} 1",
			"success{id=000000000001} 0",
			"timestamp_seconds{id=000000000001} 60",
		}},
		{"another task", []*Report{ending(0, failed, taskNamed(2, "Other"))}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, reg := watching(t, onlyBy(strings.ToUpper(nightly.ID)))
			for _, tell := range row.tells {
				m.observe(tell)
			}
			if got, want := shown(t, reg), strings.Join(row.want, "\n"); got != want {
				t.Errorf("want\n%s\ngot\n%s", want, got)
			}
		})
	}
}

func TestTaskMetrics_haveAsMuchRoomAsIsGiven(t *testing.T) {
	m, reg := watching(t, TaskWatch{Tags: []string{"watched"}, Limit: 2})
	for n := range 4 {
		m.observe(ending(time.Duration(n)*time.Minute, messages.FamilyFailed, taskNamed(n, "Task", "watched")))
	}
	wantWatched(t, reg, 0, 1) // the first that came
	if got := testutil.ToFloat64(m.noRoom); got != 2 {
		t.Errorf("want two executions that had no room, got %v", got)
	}
	m.observe(ending(time.Hour, messages.FamilySucceeded, taskNamed(0, "Task"))) // the tag is gone
	wantWatched(t, reg, 1)
	m.observe(ending(time.Hour, messages.FamilyFailed, taskNamed(3, "Task", "watched")))
	wantWatched(t, reg, 1, 3)
}

func TestTaskMetrics_keepATaskByItsTagWhileTheRepositoryIsSilent(t *testing.T) {
	m, reg := watching(t, TaskWatch{Tags: []string{"watched"}, Limit: 2})
	m.observe(ending(0, messages.FamilyFailed, taskNamed(1, "Task", "watched")))
	m.observe(ending(time.Minute, messages.FamilyFailed, messages.Task{ID: taskNamed(1, "").ID}))
	if got := shown(t, reg); !strings.Contains(got, "consecutive_failures{id=000000000001} 2") {
		t.Errorf("want both failures counted, got\n%s", got)
	}
}

func TestTaskMetrics_aChangedChoiceKeepsWhatItStillChooses(t *testing.T) {
	for _, row := range []struct {
		name string
		to   TaskWatch
		want []int
	}{
		{"the same", TaskWatch{Tags: []string{"watched"}, Limit: 3}, []int{0, 1, 2}},
		{"by ID instead of the tag", TaskWatch{IDs: []string{taskNamed(1, "").ID}, Limit: 3}, []int{1}},
		{"less room: what was silent for longest goes", TaskWatch{Tags: []string{"watched"}, Limit: 1}, []int{2}},
		{"another tag", TaskWatch{Tags: []string{"other"}, Limit: 3}, nil},
		{"nothing", TaskWatch{}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, reg := watching(t, TaskWatch{Tags: []string{"watched"}, Limit: 3})
			for n := range 3 {
				m.observe(ending(time.Duration(n)*time.Minute, messages.FamilyFailed, taskNamed(n, "Task", "watched")))
			}
			m.Watch(row.to)
			wantWatched(t, reg, row.want...)
		})
	}
}

func wantWatched(t *testing.T, reg *prometheus.Registry, tasks ...int) {
	t.Helper()
	var want []string
	for _, n := range tasks {
		want = append(want, fmt.Sprintf("consecutive_failures{id=%012d} 1", n))
	}
	var got []string
	for line := range strings.SplitSeq(shown(t, reg), "\n") {
		if strings.HasPrefix(line, "consecutive_failures") {
			got = append(got, line)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("want\n%s\ngot\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

func TestTaskMetrics_boundAndCleanNames(t *testing.T) {
	m, reg := watching(t, onlyBy(taskNamed(1, "").ID))
	hostile := taskNamed(1, "\u202eevil\n"+strings.Repeat("é", 1000)+"\xff")
	m.observe(ending(0, messages.FamilyFailed, hostile))
	if want := "name=evil " + strings.Repeat("é", 195) + " type"; !strings.Contains(shown(t, reg), want) {
		t.Errorf("want %s, got\n%s", want, shown(t, reg))
	}
}

func TestTaskMetrics_areCountedOnceByATell(t *testing.T) {
	m, reg := watching(t, onlyBy(taskID))
	tell := ending(0, messages.FamilyFailed, messages.Task{})
	o := Options{Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()), Tasks: m}
	o.report(tell, nil)
	if !strings.Contains(shown(t, reg), "consecutive_failures{id="+strings.ToLower(taskID)+"} 1") {
		t.Errorf("want one failure, got\n%s", shown(t, reg))
	}
}
