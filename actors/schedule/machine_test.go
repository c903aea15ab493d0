package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

const (
	task  = "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77"
	stamp = "2006-01-02 15:04:05 -0700"
)

func when(text string) time.Time {
	t, err := time.Parse(stamp, text)
	if err != nil {
		panic(err)
	}
	return t
}

// rig is a machine with a file, a ledger and a Qlik Sense that answer at once.
type rig struct {
	m     *machine
	now   time.Time
	rules Rules
	off   bool
	// file is what is in the file; disk is who changes it behind our back before a save.
	file []messages.Schedule
	disk func(*rig)
	// unreadable and readOnly make the file fail.
	unreadable, readOnly string
	// absent is a file that is not there yet.
	absent bool
	marks  map[string]mark
	// answer is that of Qlik Sense; nil is success.
	answer func(run) messages.Failure
	// silent holds outcomes back.
	silent bool
	held   []run

	saves   int
	starts  []string // "time ID"
	dues    []time.Time
	lateBy  []time.Duration
	replies []any
	told    []string
}

func newRig(from string, schedules ...messages.Schedule) *rig {
	d := &rig{now: when(from), file: schedules, marks: map[string]mark{}}
	d.restart()
	return d
}

// schedule is a started schedule of the file.
func scheduleOf(id, cron, zone string) messages.Schedule {
	return messages.Schedule{ID: id, Name: "name of " + id, Cron: cron, Timezone: zone, TaskID: task, StartupState: "started"}
}

func (d *rig) restart() {
	opts := Options{Rules: d.rules.withDefaults(), Zone: time.UTC, NewID: func() string { return "new" }, Rand: rand.New(rand.NewPCG(1, 2))}
	if !d.off {
		opts.Store = struct{ Store }{}
	}
	d.m = newMachine(opts)
	d.do(d.m.begin())
}

func (d *rig) book() messages.ScheduleBook {
	return messages.ScheduleBook{Schedules: slices.Clone(d.file), Revision: fmt.Sprint(d.file)}
}

func (d *rig) do(effects []effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case load:
			f := messages.Failure{}
			if d.unreadable != "" {
				f = messages.Failure{Kind: messages.FailureUnavailable, Text: d.unreadable}
			}
			if d.absent {
				f = messages.Failure{Kind: messages.FailureNotFound, Text: "no such file"}
			}
			marks := map[string]mark{}
			for id, m := range d.marks {
				marks[id] = m
			}
			d.do(d.m.read(d.now, d.book(), marks, f))
		case save:
			d.save(e)
		case start:
			d.starts = append(d.starts, d.now.UTC().Format("02 15:04:05 ")+e.Run.Schedule)
			d.dues, d.lateBy = append(d.dues, e.Run.Due), append(d.lateBy, d.now.Sub(e.Run.Due))
			if d.silent {
				d.held = append(d.held, e.Run)
				continue
			}
			var f messages.Failure
			if d.answer != nil {
				f = d.answer(e.Run)
			}
			d.do(d.m.finished(d.now, e.Run.ID, f))
		case reply:
			d.replies = append(d.replies, e.Message)
		case remember:
			d.marks[e.Mark.ID] = e.Mark
		case forget:
			delete(d.marks, e.ID)
		default:
			d.told = append(d.told, fmt.Sprintf("%T%+v", e, e))
		}
	}
}

func (d *rig) save(e save) {
	if d.disk != nil {
		d.disk(d)
	}
	if d.readOnly != "" {
		d.do(d.m.saved(d.now, messages.ScheduleBook{}, false, messages.Failure{Kind: messages.FailureUnavailable, Text: d.readOnly}))
		return
	}
	if e.Revision != d.book().Revision {
		d.do(d.m.saved(d.now, d.book(), false, messages.Failure{}))
		return
	}
	d.saves++
	d.file = slices.DeleteFunc(slices.Clone(d.file), func(s messages.Schedule) bool { return s.ID == e.Change.Delete })
	for i, s := range d.file {
		if slices.Contains(e.Change.Switch, s.ID) {
			d.file[i].LastKnownState = e.Change.To
		}
	}
	if e.Change.Add.ID != "" {
		d.file = append(d.file, e.Change.Add)
	}
	d.do(d.m.saved(d.now, d.book(), true, messages.Failure{}))
}

// until lets the time pass, with the machine awake.
func (d *rig) until(to time.Time) {
	for at := d.m.next(d.now); !at.IsZero() && !at.After(to); at = d.m.next(d.now) {
		d.now = at
		d.do(d.m.tick(d.now))
	}
	d.now = to
}

// sleep lets the time pass while the machine sleeps.
func (d *rig) sleep(long time.Duration) {
	d.now = d.now.Add(long)
	d.do(d.m.tick(d.now))
}

// say gives a command and returns the answer to it.
func say[R any](t *testing.T, d *rig, command any) R {
	t.Helper()
	d.replies = nil
	d.do(d.m.command(d.now, command))
	if len(d.replies) != 1 {
		t.Fatalf("want one answer to %+v, got %+v", command, d.replies)
	}
	r, ok := d.replies[0].(R)
	if !ok {
		t.Fatalf("want a %T, got %+v", r, d.replies[0])
	}
	return r
}

func want(t *testing.T, got []string, wanted ...string) {
	t.Helper()
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func (d *rig) heard(text string) bool {
	return slices.ContainsFunc(d.told, func(line string) bool { return strings.Contains(line, text) })
}

func TestMachine_startsTasksWhenTheyAreDue(t *testing.T) {
	d := newRig("2026-11-20 00:00:00 +0000",
		scheduleOf("often", "0,20 6-7 * * *", "UTC"), scheduleOf("once", "5 6 * * *", "Europe/Oslo"), scheduleOf("home", "0 7 * * *", ""))
	d.until(when("2026-11-21 00:00:00 +0000"))
	want(t, d.starts, "20 05:05:00 once", "20 06:00:00 often", "20 06:20:00 often", "20 07:00:00 often", "20 07:00:00 home", "20 07:20:00 often")
}

func TestMachine_whenClocksAreSet(t *testing.T) {
	tests := []struct {
		name, cron, from string
		want             []string // in UTC
	}{
		{"forward, over the time", "30 2 * * *", "2026-03-28 00:00:00 +0000", []string{"28 01:30:00 s", "29 01:00:00 s", "30 00:30:00 s"}},
		{"forward, over one time of several", "30 1-3 * * *", "2026-03-29 00:00:00 +0000", []string{"29 00:30:00 s", "29 01:00:00 s", "29 01:30:00 s", "29 23:30:00 s", "30 00:30:00 s", "30 01:30:00 s"}},
		{"back, over the time", "30 2 * * *", "2026-10-24 00:00:00 +0000", []string{"24 00:30:00 s", "25 00:30:00 s", "26 01:30:00 s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newRig(tt.from, scheduleOf("s", tt.cron, "Europe/Oslo"))
			d.until(d.now.Add(72 * time.Hour))
			want(t, d.starts[:len(tt.want)], tt.want...)
		})
	}
}

func TestMachine_theLastKnownStateWins(t *testing.T) {
	for _, tt := range []struct {
		startup string
		last    messages.ScheduleState
		want    bool
	}{
		{"start", "", true},
		{"started", "", true},
		{"stop", "", false},
		{"stopped", "", false},
		{"later", "", false},
		{"", "", false},
		{"started", messages.ScheduleStopped, false},
		{"stopped", messages.ScheduleStarted, true},
		{"started", "odd", true},
	} {
		s := scheduleOf("s", "* * * * *", "UTC")
		s.StartupState, s.LastKnownState = tt.startup, tt.last
		d := newRig("2026-11-20 00:00:00 +0000", s)
		d.until(d.now.Add(time.Minute))
		if got := len(d.starts) == 1; got != tt.want || d.saves != 0 {
			t.Errorf("%q, then %q: want it to run: %v, got %v and %d writes", tt.startup, tt.last, tt.want, d.starts, d.saves)
		}
	}
}

func TestMachine_makesUpForARunThatItWasDownFor(t *testing.T) {
	tests := []struct {
		name, cron, down, up string
		between              func(*rig)
		want                 []string
		missed               string
	}{
		{name: "a little late", cron: "0 2 * * *", down: "2026-11-20 01:59:00 +0000", up: "2026-11-20 02:03:00 +0000", want: []string{"20 02:03:00 s"}},
		{name: "at the last moment", cron: "0 2 * * *", down: "2026-11-20 01:59:00 +0000", up: "2026-11-20 02:05:00 +0000", want: []string{"20 02:05:00 s"}},
		{name: "too late", cron: "0 2 * * *", down: "2026-11-20 01:59:00 +0000", up: "2026-11-20 02:05:01 +0000", missed: "Count:1"},
		{name: "several are one", cron: "* * * * *", down: "2026-11-20 02:00:30 +0000", up: "2026-11-20 02:04:30 +0000", want: []string{"20 02:00:00 s", "20 02:04:30 s"}, missed: "Count:3"},
		{name: "the older ones are skipped", cron: "* * * * *", down: "2026-11-20 02:00:30 +0000", up: "2026-11-20 03:00:30 +0000", want: []string{"20 02:00:00 s", "20 03:00:30 s"}, missed: "Count:59"},
		{name: "there are too many to count", cron: "* * * * *", down: "2026-11-20 02:00:30 +0000", up: "2026-11-23 02:00:30 +0000", want: []string{"20 02:00:00 s", "23 02:00:30 s"}, missed: "Count:1004"},
		{name: "what was done is not repeated", cron: "0 2 * * *", down: "2026-11-20 02:00:10 +0000", up: "2026-11-20 02:01:00 +0000", want: []string{"20 02:00:00 s"}},
		{
			name: "nothing is known of before", cron: "0 2 * * *", down: "2026-11-20 01:59:00 +0000", up: "2026-11-20 02:01:00 +0000",
			between: func(d *rig) { clear(d.marks) },
		},
		{
			name: "its times were changed", cron: "0 2 * * *", down: "2026-11-20 01:50:00 +0000", up: "2026-11-20 02:01:00 +0000",
			between: func(d *rig) { d.file[0].Cron = "55 1 * * *" },
		},
		{
			name: "it was stopped by hand", cron: "0 2 * * *", down: "2026-11-20 01:59:00 +0000", up: "2026-11-20 02:01:00 +0000",
			between: func(d *rig) { d.file[0].LastKnownState = messages.ScheduleStopped },
		},
		{
			name: "it was stopped until then", cron: "0 2 * * *", down: "2026-11-20 01:59:00 +0000", up: "2026-11-20 02:01:00 +0000",
			between: func(d *rig) {
				d.do(d.m.command(d.now, messages.SwitchSchedule{ID: "s", To: messages.ScheduleStopped}))
				d.until(when("2026-11-20 02:00:30 +0000"))
				d.do(d.m.command(d.now, messages.SwitchSchedule{ID: "s", To: messages.ScheduleStarted}))
			},
		},
		{
			name: "the clock was far ahead then", cron: "0 2 * * *", down: "2026-11-20 01:00:00 +0000", up: "2026-11-20 01:30:00 +0000",
			between: func(d *rig) {
				d.marks["s"] = mark{ID: "s", Spec: d.marks["s"].Spec, At: when("2040-01-01 00:00:00 +0000")}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newRig("2026-11-20 01:00:00 +0000", scheduleOf("s", tt.cron, "UTC"))
			d.silent = false
			d.starts = nil
			d.until(when(tt.down))
			if len(tt.want) > 0 && len(d.starts) > 1 {
				d.starts = d.starts[len(d.starts)-1:]
			}
			if tt.between != nil {
				tt.between(d)
			}
			d.now, d.told = when(tt.up), nil
			d.restart()
			want(t, d.starts, tt.want...)
			if d.heard("schedule.missed") != (tt.missed != "") || !d.heard(tt.missed) {
				t.Errorf("want missed %q, got %v", tt.missed, d.told)
			}
			d.starts, d.told = nil, nil
			d.restart()
			if len(d.starts) != 0 || d.heard("schedule.missed") {
				t.Errorf("want nothing made up for or told twice, got %v, %v", d.starts, d.told)
			}
			// It goes on as if nothing had been.
			d.starts, d.told = nil, nil
			d.until(d.now.Add(25 * time.Hour))
			if running := d.file[0].LastKnownState != messages.ScheduleStopped; (len(d.starts) > 0) != running || d.heard("schedule.missed") {
				t.Errorf("want it to go on: %v, got %v, %v", running, d.starts, d.told)
			}
		})
	}
}

func TestMachine_makesUpForARunThatTheMachineSleptOver(t *testing.T) {
	d := newRig("2026-11-20 01:59:00 +0000", scheduleOf("s", "0,2 2 * * *", "UTC"))
	d.sleep(4 * time.Minute)
	want(t, d.starts, "20 02:03:00 s")
	if !d.heard("schedule.missed{ID:s Name:name of s Count:1 First:2026-11-20 02:00:00") {
		t.Errorf("want the other one told, got %v", d.told)
	}
	d.sleep(24 * time.Hour)
	want(t, d.starts, "20 02:03:00 s", "21 02:03:00 s")
}

func TestMachine_wakesUpOftenEnoughToNoticeThatTheMachineSlept(t *testing.T) {
	d := newRig("2026-11-20 01:00:00 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
	if got := d.m.next(d.now).Sub(d.now); got != napLimit {
		t.Errorf("want a nap of %s, got %s", napLimit, got)
	}
	if got := newRig("2026-11-20 01:00:00 +0000").m.next(d.now); !got.IsZero() {
		t.Errorf("want no timer without schedules, got %s", got)
	}
}

func TestMachine_whenTheClockIsMendedItBeginsAnew(t *testing.T) {
	d := newRig("2036-11-20 01:00:00 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
	d.until(when("2036-11-20 02:30:00 +0000"))
	d.starts, d.now = nil, when("2026-11-20 01:30:00 +0000")
	d.do(d.m.tick(d.now))
	d.until(when("2026-11-20 03:00:00 +0000"))
	want(t, d.starts, "20 02:00:00 s")
}

func TestMachine_nothingRunsTwiceWhenTheClockIsSetBackALittle(t *testing.T) {
	d := newRig("2026-11-20 01:00:00 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
	d.until(when("2026-11-20 02:10:00 +0000"))
	d.sleep(-20 * time.Minute)
	d.until(when("2026-11-20 03:00:00 +0000"))
	want(t, d.starts, "20 02:00:00 s")
}

func TestMachine_triesAgainWhatMayPass(t *testing.T) {
	tests := []struct {
		kind     messages.FailureKind
		attempts int
	}{
		{messages.FailureUnavailable, 5},
		{messages.FailureBusy, 5},
		{messages.FailureTimeout, 1},
		{messages.FailureNotFound, 1},
		{messages.FailureRejected, 1},
		{messages.FailureInvalid, 1},
	}
	for _, tt := range tests {
		d := newRig("2026-11-20 01:59:00 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
		d.answer = func(run) messages.Failure { return messages.Failure{Kind: tt.kind, Text: "no"} }
		d.until(when("2026-11-20 03:00:00 +0000"))
		if len(d.starts) != tt.attempts || !d.heard("schedule.failed") {
			t.Errorf("%s: want %d attempts, got %v", tt.kind, tt.attempts, d.starts)
		}
		if got := d.marks["s"].At; !got.Equal(when("2026-11-20 02:00:00 +0000")) {
			t.Errorf("%s: want the run given up, got done up to %s", tt.kind, got)
		}
	}
}

func TestMachine_aCrashBeforeTheAnswerRepeatsTheRun(t *testing.T) {
	d := newRig("2026-11-20 01:59:00 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
	d.silent = true
	d.until(when("2026-11-20 02:00:10 +0000"))
	d.restart()
	want(t, d.starts, "20 02:00:00 s", "20 02:00:10 s")
}

func TestMachine_forgetsARetryWhenTheScheduleEnds(t *testing.T) {
	for name, command := range map[string]any{
		"stopped": messages.SwitchSchedule{ID: "s", To: messages.ScheduleStopped}, "deleted": messages.DeleteSchedule{ID: "s"},
	} {
		d := newRig("2026-11-20 01:59:00 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
		d.answer = func(run) messages.Failure { return messages.Failure{Kind: messages.FailureUnavailable} }
		d.until(when("2026-11-20 02:00:00 +0000"))
		d.do(d.m.command(d.now, command))
		d.until(when("2026-11-20 03:00:00 +0000"))
		if len(d.starts) != 1 {
			t.Errorf("%s: want one attempt, got %v", name, d.starts)
		}
	}
}

func TestMachine_runsDoNotPileUp(t *testing.T) {
	var many []messages.Schedule
	for i := range 20 {
		many = append(many, scheduleOf(fmt.Sprint(i), "* * * * * *", "UTC"))
	}
	d := newRig("2026-11-20 00:00:00 +0000", many...)
	d.silent = true
	d.until(d.now.Add(10 * time.Minute))
	if len(d.held) != 8 || len(d.m.pending.ready) != 20 {
		t.Errorf("want 8 attempts and a run of each waiting, got %d and %d", len(d.held), len(d.m.pending.ready))
	}
	if !d.heard("schedule.missed") {
		t.Error("want the replaced runs told")
	}
	for _, r := range d.held[:3] {
		d.do(d.m.finished(d.now, r.ID, messages.Failure{}))
	}
	if len(d.held) != 11 {
		t.Errorf("want the next in turn, got %d", len(d.held))
	}
	if effects := d.m.finished(d.now, 4711, messages.Failure{}); effects != nil {
		t.Errorf("want an unknown outcome ignored, got %v", effects)
	}
}

func TestMachine_tellsHowLateATaskWasStarted(t *testing.T) {
	d := newRig("2026-05-06 10:00:00 +0000", scheduleOf("a", "5 10 * * *", "UTC"))
	d.silent = true
	d.now = when("2026-05-06 10:05:02 +0000")
	d.do(d.m.tick(d.now))
	if len(d.held) != 1 {
		t.Fatalf("want one start under way, got %v", d.held)
	}
	d.now = when("2026-05-06 10:05:05 +0000")
	for _, e := range d.m.finished(d.now, d.held[0].ID, messages.Failure{}) {
		if told, ok := e.(started); ok {
			if told.Late != 5*time.Second {
				t.Errorf("want the time since the run was due, 5s, got %v", told.Late)
			}
			return
		}
	}
	t.Error("want it told that the task was started")
}

func TestMachine_readsAFileAgainThatCouldNotBeReadAtTheStart(t *testing.T) {
	d := newRig("2026-11-20 01:59:30 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
	d.unreadable = "the share is away"
	d.restart()
	d.told = nil
	d.until(when("2026-11-20 02:03:30 +0000"))
	if len(d.told) != 0 || len(d.starts) != 0 {
		t.Errorf("want it told once what is wrong, got %v more, and nothing started, got %v", d.told, d.starts)
	}
	d.unreadable = ""
	d.until(when("2026-11-20 02:04:30 +0000"))
	want(t, d.starts, "20 02:04:30 s")
	if !d.heard("tellHealth{Up:true") || !d.heard("booked{Count:1 Running:1}") {
		t.Errorf("want it told that the file is read, got %v", d.told)
	}
	d.told = nil
	d.until(when("2026-11-21 02:00:00 +0000"))
	want(t, d.starts, "20 02:04:30 s", "21 02:00:00 s")
	if d.heard("booked") {
		t.Errorf("want the file read once, got %v", d.told)
	}
}

func TestMachine_isWellWithoutAFileThatNeverWas(t *testing.T) {
	d := &rig{
		now: when("2026-11-20 01:59:30 +0000"), file: []messages.Schedule{scheduleOf("s", "0 2 * * *", "UTC")},
		marks: map[string]mark{}, absent: true,
	}
	d.restart()
	if !d.heard("tellHealth{Up:true") || !d.heard("noFile") {
		t.Errorf("want it told that there is none, got %v", d.told)
	}
	d.told = nil
	d.until(when("2026-11-20 02:03:30 +0000"))
	if len(d.told) != 0 {
		t.Errorf("want it told once, got %v more", d.told)
	}
	d.absent = false
	d.until(when("2026-11-20 02:04:30 +0000"))
	if !d.heard("booked{Count:1 Running:1}") {
		t.Errorf("want one that somebody puts there read, got %v", d.told)
	}
	// One that was there is missed.
	d.marks["s"] = mark{ID: "s"}
	d.absent = true
	d.restart()
	if !d.heard("tellHealth{Up:false Reason:no such file}") {
		t.Errorf("want it told that it is gone, got %v", d.told)
	}
}

func TestMachine_readsAFileAgainWhenTheClockIsSetBack(t *testing.T) {
	d := newRig("2036-11-20 01:00:00 +0000", scheduleOf("s", "0 2 * * *", "UTC"))
	d.unreadable = "the share is away"
	d.restart()
	d.unreadable, d.now = "", when("2026-11-20 01:30:00 +0000")
	d.do(d.m.tick(d.now))
	d.until(when("2026-11-20 03:00:00 +0000"))
	want(t, d.starts, "20 02:00:00 s")
}

func TestMachine_aChangeIsFasterThanTheNextReading(t *testing.T) {
	d := newRig("2026-11-20 01:00:00 +0000", scheduleOf("old", "30 1 * * *", "UTC"))
	before := d.book()
	d.unreadable = "the share is away"
	d.restart()
	d.do(d.m.command(d.now, messages.CreateSchedule{Schedule: scheduleOf("", "0 2 * * *", "UTC")}))
	if effects := d.m.read(d.now, before, nil, messages.Failure{}); effects != nil {
		t.Errorf("want what was read before the change ignored, got %v", effects)
	}
	d.until(when("2026-11-20 02:30:00 +0000"))
	want(t, d.starts, "20 01:30:00 old", "20 02:00:00 new")
}
