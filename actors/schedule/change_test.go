package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

const noon = "2031-03-01 10:00:00 +0000"

func wish(change func(*messages.Schedule)) messages.CreateSchedule {
	s := messages.Schedule{Name: "Nightly", Cron: "0 0 2 * * *", Timezone: "Europe/Oslo", TaskID: task, StartupState: "stopped", Tags: []string{"n"}}
	if change != nil {
		change(&s)
	}
	return messages.CreateSchedule{Schedule: s}
}

func TestCreate_storesTheSchedule(t *testing.T) {
	d := newRig(noon)
	got := say[messages.CreateScheduleReply](t, d, wish(func(s *messages.Schedule) {
		s.ID, s.Created, s.LastKnownState = "mine", "long ago", messages.ScheduleStarted
	}))
	wanted := wish(nil).Schedule
	wanted.ID, wanted.Created, wanted.LastKnownState = "new", "2031-03-01T10:00:00.000Z", messages.ScheduleStopped
	if diff := cmp.Diff(messages.CreateScheduleReply{Schedule: wanted}, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]messages.Schedule{wanted}, d.file); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}

func TestCreate_startsTheScheduleWhenItSaysSo(t *testing.T) {
	for startup, want := range map[string]bool{"start": true, "started": true, "stop": false, "stopped": false} {
		d := newRig(noon)
		got := say[messages.CreateScheduleReply](t, d, wish(func(s *messages.Schedule) { s.StartupState = startup }))
		d.until(d.now.Add(24 * time.Hour))
		if running := got.Schedule.LastKnownState == messages.ScheduleStarted; running != want || (len(d.starts) == 1) != want {
			t.Errorf("%s: want it to run: %v, got %+v, %v", startup, want, got, d.starts)
		}
	}
}

func TestCreate_refusesWhatCannotRun(t *testing.T) {
	tests := []struct {
		change func(*messages.Schedule)
		want   string
	}{
		{func(s *messages.Schedule) { *s = messages.Schedule{} }, "name: it is missing; cronSchedule: it is missing; timezone: it is missing; qlikSenseTaskId: it is missing; startupState: it is missing"},
		{func(s *messages.Schedule) { s.Timezone = "" }, "timezone: it is missing"},
		{func(s *messages.Schedule) { s.StartupState = "Started" }, "startupState: write start, started, stop or stopped"},
		{func(s *messages.Schedule) { s.Cron = "61 * * * *" }, `cronSchedule: minute "61": 61 is out of range`},
		{func(s *messages.Schedule) { s.Timezone = "Mars/Olympus" }, `timezone: time zone "Mars/Olympus": not known; write an IANA name`},
		{func(s *messages.Schedule) { s.TaskID = "../about" }, "qlikSenseTaskId: it is not a task ID"},
		{func(s *messages.Schedule) { s.Name = "a\nb" }, "name: write up to 500 bytes of text on one line"},
		{func(s *messages.Schedule) { s.Name = strings.Repeat("x", 501) }, "name: write up to"},
		{func(s *messages.Schedule) { s.Tags = make([]string, 101) }, "tags: write up to 100"},
		{func(s *messages.Schedule) { s.Tags = []string{"\xff"} }, "tags: write up to 100"},
	}
	for _, tt := range tests {
		d := newRig(noon)
		got := say[messages.CreateScheduleReply](t, d, wish(tt.change))
		if got.Failure.Kind != messages.FailureRejected || !strings.Contains(got.Failure.Text, tt.want) || d.saves != 0 {
			t.Errorf("want refused with %q, got %+v", tt.want, got)
		}
	}
}

func TestCreate_isRefusedWhenThereAreEnough(t *testing.T) {
	var many []messages.Schedule
	for i := range maxSchedules {
		s := scheduleOf(fmt.Sprint(i), "0 0 1 0 *", "")
		s.StartupState = "stop"
		many = append(many, s)
	}
	if got := say[messages.CreateScheduleReply](t, newRig(noon, many...), wish(nil)); got.Failure != errFull {
		t.Errorf("want it refused, got %+v", got)
	}
}

func TestDelete_removesTheSchedule(t *testing.T) {
	d := newRig(noon, scheduleOf("a", "* * * * *", ""), scheduleOf("b", "* * * * *", ""))
	if got := say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "c"}); got.Failure.Kind != messages.FailureNotFound || d.saves != 0 {
		t.Errorf("want an unknown ID refused, got %+v", got)
	}
	if got := say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}); got.Failure.Failed() {
		t.Error(got.Failure)
	}
	d.until(d.now.Add(time.Minute))
	want(t, d.starts, "01 10:01:00 b")
	if _, kept := d.marks["a"]; kept {
		t.Error("want nothing remembered of it")
	}
}

func TestSwitch_stopsAndStarts(t *testing.T) {
	d := newRig(noon, scheduleOf("s", "* * * * *", ""))
	stopped := say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "s", To: messages.ScheduleStopped})
	d.until(d.now.Add(3 * time.Minute))
	if stopped.Schedule.LastKnownState != messages.ScheduleStopped || d.file[0].LastKnownState != messages.ScheduleStopped || len(d.starts) != 0 {
		t.Errorf("want it stopped, got %+v, %v", stopped, d.starts)
	}
	if again := say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "s", To: messages.ScheduleStopped}); !cmp.Equal(again, stopped) || d.saves != 1 {
		t.Errorf("want nothing to happen, got %+v and %d writes", again, d.saves)
	}
	d.restart()
	running := say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "s", To: messages.ScheduleStarted})
	d.until(d.now.Add(time.Minute))
	if running.Schedule.LastKnownState != messages.ScheduleStarted || d.saves != 2 {
		t.Errorf("want it started, got %+v", running)
	}
	want(t, d.starts, "01 10:04:00 s")
	for _, wrong := range []messages.SwitchSchedule{{ID: "x", To: messages.ScheduleStarted}, {To: messages.ScheduleStarted}, {ID: "s", To: "paused"}, {ID: "s"}} {
		if got := say[messages.SwitchScheduleReply](t, d, wrong); !got.Failure.Failed() || d.saves != 2 {
			t.Errorf("%+v: want it refused, got %+v", wrong, got)
		}
	}
}

func TestSwitchAll_leavesOutWhatCannotRun(t *testing.T) {
	broken := scheduleOf("broken", "* * * 12 *", "")
	broken.StartupState = "stopped"
	d := newRig(noon, scheduleOf("a", "* * * * *", ""), broken, scheduleOf("b", "* * * * *", ""))
	states := func(r messages.SwitchAllSchedulesReply) (out []string) {
		for _, s := range r.Schedules {
			out = append(out, s.ID+" "+string(s.LastKnownState))
		}
		return out
	}
	want(t, states(say[messages.SwitchAllSchedulesReply](t, d, messages.SwitchAllSchedules{To: messages.ScheduleStopped})), "a stopped", "broken stopped", "b stopped")
	want(t, states(say[messages.SwitchAllSchedulesReply](t, d, messages.SwitchAllSchedules{To: messages.ScheduleStarted})), "a started", "broken stopped", "b started")
	if d.saves != 2 || d.file[1].LastKnownState != "" {
		t.Errorf("want 2 writes that leave the broken one alone, got %d, %+v", d.saves, d.file[1])
	}
	want(t, states(say[messages.SwitchAllSchedulesReply](t, d, messages.SwitchAllSchedules{To: messages.ScheduleStarted})), "a started", "broken stopped", "b started")
	if d.saves != 2 {
		t.Error("want nothing written when nothing changes")
	}
	if got := say[messages.SwitchAllSchedulesReply](t, d, messages.SwitchAllSchedules{}); got.Failure.Kind != messages.FailureRejected {
		t.Errorf("want a state that is none refused, got %+v", got)
	}
}

func TestBroken_isKeptStoppedAndStopsNobody(t *testing.T) {
	d := newRig(noon, scheduleOf("cron", "* * * 12 *", ""), scheduleOf("zone", "* * * * *", "Mars/Olympus"), scheduleOf("fine", "* * * * *", ""))
	got := say[messages.ListSchedulesReply](t, d, messages.ListSchedules{Runs: 1})
	for i, problem := range []string{"cronSchedule: month", "timezone: time zone", ""} {
		s := got.Schedules[i]
		if !strings.HasPrefix(s.Problem, problem) || (problem == "") != (s.Schedule.LastKnownState == messages.ScheduleStarted) || (problem == "") != (len(s.Next) == 1) {
			t.Errorf("want the problem %q, got %+v", problem, s)
		}
	}
	d.until(d.now.Add(time.Minute))
	want(t, d.starts, "01 10:01:00 fine")
	if !d.heard("schedule.unfit{ID:cron") || !d.heard("schedule.unfit{ID:zone") || d.heard("schedule.unfit{ID:fine") {
		t.Errorf("want both told, got %v", d.told)
	}
	if got := say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "cron", To: messages.ScheduleStarted}); got.Failure.Kind != messages.FailureRejected || !strings.Contains(got.Failure.Text, "write 11 or dec") {
		t.Errorf("want the start refused with the reason, got %+v", got)
	}
	if got := say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "cron", To: messages.ScheduleStopped}); got.Failure.Failed() || d.file[0].LastKnownState != messages.ScheduleStopped {
		t.Errorf("want it to stay stopped once it is corrected, got %+v, %+v", got, d.file[0])
	}
}

func TestChange_isMadeOnTopOfAnEditByHand(t *testing.T) {
	d := newRig(noon, scheduleOf("a", "* * * * *", ""), scheduleOf("gone", "* * * * *", ""))
	d.disk = func(d *rig) {
		d.file = []messages.Schedule{scheduleOf("a", "*/2 * * * *", ""), scheduleOf("added", "* * * * *", "")}
		d.disk = nil
	}
	got := say[messages.CreateScheduleReply](t, d, wish(nil))
	if got.Failure.Failed() || len(d.file) != 3 || d.saves != 1 {
		t.Errorf("want the new one beside the edited ones, got %+v, %+v", got, d.file)
	}
	d.until(d.now.Add(2 * time.Minute))
	want(t, d.starts, "01 10:01:00 added", "01 10:02:00 a", "01 10:02:00 added")
}

func TestChange_thatAnEditByHandMadeVainIsRefused(t *testing.T) {
	d := newRig(noon, scheduleOf("a", "* * * * *", ""))
	d.disk = func(d *rig) { d.file = nil }
	if got := say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "a", To: messages.ScheduleStopped}); got.Failure.Kind != messages.FailureNotFound {
		t.Errorf("want it unknown, got %+v", got)
	}
}

func TestChange_givesUpOnAFileThatAlwaysChanges(t *testing.T) {
	d := newRig(noon, scheduleOf("a", "* * * * *", ""))
	n := 0
	d.disk = func(d *rig) { n++; d.file[0].Name = fmt.Sprint(n) }
	if got := say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}); got.Failure != errRaces || n != maxRaces {
		t.Errorf("want it refused after %d races, got %+v after %d", maxRaces, got, n)
	}
}

func TestChange_thatCannotBeWrittenDidNotHappen(t *testing.T) {
	d := newRig(noon, scheduleOf("a", "* * * * *", ""))
	d.readOnly = "read-only file system"
	for _, f := range []messages.Failure{
		say[messages.CreateScheduleReply](t, d, wish(nil)).Failure,
		say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}).Failure,
		say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "a", To: messages.ScheduleStopped}).Failure,
	} {
		if f.Kind != messages.FailureUnavailable || f.Text != d.readOnly {
			t.Errorf("want the failure of the file, got %v", f)
		}
	}
	if !d.heard("schedule.tellHealth{Up:false Reason:read-only file system}") {
		t.Errorf("want it told, got %v", d.told)
	}
	d.until(d.now.Add(time.Minute))
	want(t, d.starts, "01 10:01:00 a")
	d.readOnly = ""
	if got := say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}); got.Failure.Failed() || !d.heard("schedule.tellHealth{Up:true Reason:}") {
		t.Errorf("want it to work again, got %+v, %v", got, d.told)
	}
}

func TestLoad_thatFailsLeavesNoSchedules(t *testing.T) {
	d := &rig{now: when(noon), file: []messages.Schedule{scheduleOf("a", "* * * * *", "")}, marks: map[string]mark{"a": {ID: "a"}}, unreadable: "no such file"}
	d.restart()
	if !d.heard("schedule.tellHealth{Up:false Reason:no such file}") || len(d.marks) != 1 {
		t.Errorf("want it told and nothing forgotten, got %v, %v", d.told, d.marks)
	}
	for _, f := range []messages.Failure{
		say[messages.ListSchedulesReply](t, d, messages.ListSchedules{}).Failure,
		say[messages.ListSchedulesReply](t, d, messages.ListSchedules{ID: "a"}).Failure,
		say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}).Failure,
		say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "a", To: messages.ScheduleStopped}).Failure,
		say[messages.SwitchAllSchedulesReply](t, d, messages.SwitchAllSchedules{To: messages.ScheduleStopped}).Failure,
	} {
		if f.Kind != messages.FailureUnavailable || f.Text != d.unreadable || d.saves != 0 {
			t.Errorf("want the failure of the file, got %v", f)
		}
	}
	// The file is there again when something changes.
	if got := say[messages.CreateScheduleReply](t, d, wish(nil)); got.Failure.Failed() || len(d.file) != 2 {
		t.Errorf("want the new one beside the old one, got %+v, %+v", got, d.file)
	}
}

func TestLoad_ofNoFileIsOneOfNoSchedules(t *testing.T) {
	d := &rig{now: when(noon), marks: map[string]mark{}, absent: true}
	d.restart()
	if got := say[messages.SwitchAllSchedulesReply](t, d, messages.SwitchAllSchedules{To: messages.ScheduleStopped}); got.Failure.Failed() || d.saves != 0 {
		t.Errorf("want nothing done, and no failure, got %+v", got)
	}
	if got := say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}); got.Failure != errUnknown {
		t.Errorf("want it said that there is no such schedule, got %+v", got)
	}
}

func TestLoad_tellsWhatItRefused(t *testing.T) {
	d := newRig(noon)
	d.told, d.m.known = nil, false
	book := messages.ScheduleBook{Refused: []string{"entry 2"}}
	d.do(d.m.read(d.now, book, nil, messages.Failure{}))
	d.do(d.m.adopt(d.now, book))
	want(t, d.told, "schedule.refused{Reason:entry 2}", "schedule.booked{Count:0 Running:0}")
}

func TestCommands_waitForTheFile(t *testing.T) {
	d := newRig(noon)
	m := newMachine(Options{Store: struct{ Store }{}, Rules: Rules{}.withDefaults(), Zone: time.UTC, NewID: func() string { return "new" }})
	for _, command := range []any{wish(nil), messages.ListSchedules{}, "no command"} {
		if effects := m.command(d.now, command); effects != nil {
			t.Errorf("want no answer yet, got %v", effects)
		}
	}
	d.m = m
	d.do(m.read(d.now, d.book(), nil, messages.Failure{}))
	if len(d.replies) != 2 {
		t.Errorf("want both answered, got %+v", d.replies)
	}
}

func TestChanges_areRefusedWhenTooManyWait(t *testing.T) {
	d := newRig(noon, scheduleOf("a", "* * * * *", ""))
	d.m.saving, d.m.changes = true, make([]*change, maxWaiting)
	if got := say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}); got.Failure != errBusy {
		t.Errorf("want it refused, got %+v", got)
	}
}

func TestSwitchedOff_changesNothing(t *testing.T) {
	d := &rig{now: when(noon), off: true, marks: map[string]mark{}, file: []messages.Schedule{scheduleOf("a", "* * * * *", "")}}
	d.restart()
	d.until(d.now.Add(time.Hour))
	for _, f := range []messages.Failure{
		say[messages.CreateScheduleReply](t, d, wish(nil)).Failure,
		say[messages.DeleteScheduleReply](t, d, messages.DeleteSchedule{ID: "a"}).Failure,
		say[messages.SwitchScheduleReply](t, d, messages.SwitchSchedule{ID: "a", To: messages.ScheduleStarted}).Failure,
		say[messages.SwitchAllSchedulesReply](t, d, messages.SwitchAllSchedules{To: messages.ScheduleStarted}).Failure,
	} {
		if f != errOff {
			t.Errorf("want it refused, got %v", f)
		}
	}
	if got := say[messages.ListSchedulesReply](t, d, messages.ListSchedules{}); len(got.Schedules) != 0 || got.Failure.Failed() {
		t.Errorf("want an empty list, got %+v", got)
	}
	if d.saves != 0 || len(d.starts) != 0 {
		t.Errorf("want nothing done, got %d, %v", d.saves, d.starts)
	}
}

func TestList_previewsTheNextRuns(t *testing.T) {
	stopped := scheduleOf("b", "0 2 * * *", "Europe/Oslo")
	stopped.StartupState = "stop"
	d := newRig("2026-03-28 12:00:00 +0000", scheduleOf("a", "* * * * *", ""), stopped)
	got := say[messages.ListSchedulesReply](t, d, messages.ListSchedules{ID: "b", Runs: 3})
	if len(got.Schedules) != 1 {
		t.Fatalf("want one, got %+v", got)
	}
	var next []string
	for _, at := range got.Schedules[0].Next {
		next = append(next, at.Format(stamp))
	}
	want(t, next, "2026-03-29 03:00:00 +0200", "2026-03-30 02:00:00 +0200", "2026-03-31 02:00:00 +0200")
	if all := say[messages.ListSchedulesReply](t, d, messages.ListSchedules{Runs: 1 << 30}); len(all.Schedules) != 2 || len(all.Schedules[0].Next) != maxPreview {
		t.Errorf("want bounded previews, got %d", len(all.Schedules[0].Next))
	}
	if all := say[messages.ListSchedulesReply](t, d, messages.ListSchedules{Runs: -1}); all.Schedules[0].Next != nil {
		t.Errorf("want no previews, got %v", all.Schedules[0].Next)
	}
	if none := say[messages.ListSchedulesReply](t, d, messages.ListSchedules{ID: "c"}); none.Failure.Kind != messages.FailureNotFound {
		t.Errorf("want it unknown, got %+v", none)
	}
}

func TestDescribe_hasALineForEverySchedule(t *testing.T) {
	stopped := scheduleOf("b\n}", "0 2 * * *", "")
	stopped.StartupState = "stop"
	d := newRig(noon, scheduleOf("a", "0,30 6-9 * * 1-5", ""), scheduleOf("broken", "x", ""), stopped)
	const wanted = "{\n'a': 0,30 6-9 * * 1-5 status: Running \n'b }': 0 2 * * * status: Stopped \n}"
	if got := say[messages.DescribeSchedulesReply](t, d, messages.DescribeSchedules{}); got.Text != wanted {
		t.Errorf("want %q, got %q", wanted, got.Text)
	}
}
