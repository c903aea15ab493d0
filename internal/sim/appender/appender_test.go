package appender_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik"
	"butler/internal/sim/appender"
	"butler/internal/sim/world"
	"butler/messages"
)

var stamp = time.Date(2026, 5, 6, 14, 23, 45, 123_000_000, time.UTC)

func sampleEvent(identifier string) appender.Event {
	e := appender.Event{
		HostName: "sense-server-01", TaskName: "Daily Sales Reload", AppName: "Sales Dashboard", User: `LAB\jdoe`,
		TaskID: "f1e2d3c4-b5a6-7890-1234-567890abcdef", AppID: "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
		At: stamp, ExecutionID: "e9f8a7b6-c5d4-3210-fedc-ba0987654321", SessionID: "session-12345",
	}
	for _, t := range appender.Types() {
		if t.Identifier == identifier {
			e.Type = t
		}
	}
	return e
}

func TestFormat_writesWhatLog4netWrites(t *testing.T) {
	const ids = ";LAB\\jdoe;f1e2d3c4-b5a6-7890-1234-567890abcdef;a1b2c3d4-e5f6-7890-abcd-ef1234567890;2026-05-06 14:23:45,123;"
	const names = ";sense-server-01;Daily Sales Reload;Sales Dashboard"
	const execution = ";e9f8a7b6-c5d4-3210-fedc-ba0987654321;"
	tests := []struct {
		identifier string
		want       string
	}{
		{"/scheduler-reload-failed/", "/scheduler-reload-failed/" + names + ids + "WARN" + execution + "Max retries reached"},
		{"/scheduler-task-failed/", "/scheduler-task-failed/" + names + ids + "WARN" + execution + "Max retries reached"},
		{"/scheduler-reloadtask-failed/", "/scheduler-reloadtask-failed/" + names + ids + "ERROR" + execution + "Failed to start session"},
		{"/scheduler-reload-aborted/", "/scheduler-reload-aborted/" + names + ids + "INFO" + execution + "Execution State Change to Aborting"},
		{"/scheduler-task-aborted/", "/scheduler-task-aborted/" + names + ids + "INFO" + execution + "Execution State Change to Aborting"},
		{"/scheduler-reloadtask-success/", "/scheduler-reloadtask-success/" + names + ids + "INFO" + execution + "Execution State Change to FinishedSuccess"},
		{"/scheduler-task-success/", "/scheduler-task-success/" + names + ids + "INFO" + execution + "Execution State Change to FinishedSuccess"},
		{"/scheduler-distribute/", "/scheduler-distribute/" + names + ids + "INFO" + execution + "Exiting execute of Distribute task request."},
		{
			"/engine-reload-failed/",
			"/engine-reload-failed/;sense-server-01;a1b2c3d4-e5f6-7890-abcd-ef1234567890;session-12345;LAB;jdoe;2026-05-06 14:23:45,123;ERROR;Reload failed",
		},
	}
	if len(tests) != len(appender.Types()) {
		t.Fatalf("%d identifiers are tested of %d", len(tests), len(appender.Types()))
	}
	for _, test := range tests {
		t.Run(test.identifier, func(t *testing.T) {
			if got := string(appender.Format{}.Append(nil, sampleEvent(test.identifier))); got != test.want {
				t.Errorf("datagram\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestFormat_flavours(t *testing.T) {
	e := sampleEvent("/scheduler-task-success/")
	e.AppName, e.AppID, e.Level, e.Message = "", "", "DEBUG", "done"
	for name, test := range map[string]struct {
		format appender.Format
		want   string
	}{
		"plain":        {appender.Format{}, "/scheduler-task-success/;sense-server-01;Daily Sales Reload;(null);LAB\\jdoe;f1e2d3c4-b5a6-7890-1234-567890abcdef;(null);"},
		"empty":        {appender.Format{Unset: appender.UnsetEmpty}, "/scheduler-task-success/;sense-server-01;Daily Sales Reload;;LAB\\jdoe;f1e2d3c4-b5a6-7890-1234-567890abcdef;;"},
		"dash":         {appender.Format{Unset: appender.UnsetDash}, "/scheduler-task-success/;sense-server-01;Daily Sales Reload;-;LAB\\jdoe;f1e2d3c4-b5a6-7890-1234-567890abcdef;-;"},
		"double slash": {appender.Format{DoubleSlash: true}, "/scheduler-task-success//;sense-server-01;"},
	} {
		got := string(test.format.Append(nil, e))
		if !strings.HasPrefix(got, test.want) || !strings.HasSuffix(got, ";DEBUG;e9f8a7b6-c5d4-3210-fedc-ba0987654321;done") {
			t.Errorf("%s: %s", name, got)
		}
	}
	failed := appender.Format{DoubleSlash: true}.Append(nil, sampleEvent("/scheduler-task-failed/"))
	if strings.Contains(string(failed), "//") {
		t.Errorf("the double slash is on another identifier too: %s", failed)
	}
}

func TestTypeOf_everyFamilyHasAnIdentifier(t *testing.T) {
	for _, family := range messages.Families() {
		if got := appender.TypeOf(family); got.Family != family {
			t.Errorf("TypeOf(%v) = %+v", family, got)
		}
	}
}

func newWorld(now func() time.Time) *world.World {
	return world.New(world.Options{Seed: 4, Tasks: 1000, Now: now})
}

func fixed() time.Time { return stamp }

func payloads(s appender.Scenario) (out []string) {
	for d := range s.Datagrams() {
		out = append(out, string(d.Payload))
	}
	return out
}

func TestScenario_sameSeedSendsTheSame(t *testing.T) {
	scenario := func(seed uint64) appender.Scenario {
		return appender.Scenario{
			World: newWorld(fixed), Seed: seed, Count: 300, Simulate: true, HostilePercent: 20, DuplicatePercent: 10,
		}
	}
	if diff := cmp.Diff(payloads(scenario(1)), payloads(scenario(1))); diff != "" {
		t.Errorf("two runs of a seed differ:\n%s", diff)
	}
	if cmp.Equal(payloads(scenario(1)), payloads(scenario(2))) {
		t.Error("two seeds send the same")
	}
}

func TestScenario_everyEventHasAMarkerOfItsOwn(t *testing.T) {
	for _, simulate := range []bool{true, false} {
		seen := make(map[string]bool)
		s := appender.Scenario{World: newWorld(fixed), Seed: 9, Count: 500, Simulate: simulate}
		for d := range s.Datagrams() {
			id := d.Event.ExecutionID
			if !qlik.IsGUID(id) || seen[id] || !strings.Contains(string(d.Payload), id) {
				t.Fatalf("simulate %v: marker %q in %s", simulate, id, d.Payload)
			}
			seen[id] = true
		}
		if len(seen) != 500 {
			t.Errorf("%d markers, want 500", len(seen))
		}
	}
}

func TestScenario_tellsTheSameStoryAsTheWorld(t *testing.T) {
	w := newWorld(fixed)
	want := map[messages.Family][]int{
		messages.FamilyFailed: {8}, messages.FamilyAborted: {6}, messages.FamilySucceeded: {7}, messages.FamilyDistribute: {3},
	}
	count := make(map[messages.Family]int)
	s := appender.Scenario{World: w, Count: 200, Simulate: true}
	for d := range s.Datagrams() {
		task, ok := w.Task(d.Event.TaskID)
		if !ok {
			t.Fatalf("task %s is unknown", d.Event.TaskID)
		}
		family := d.Event.Type.Family
		count[family]++
		if states, told := want[family]; told && task.Operational.LastExecutionResult.Status != states[0] {
			t.Errorf("%v: the world says status %d", family, task.Operational.LastExecutionResult.Status)
		}
		if execution, _ := w.Last(task.ID); family != messages.FamilyEngine && execution.ExecutionID != d.Event.ExecutionID {
			t.Errorf("%v: execution %s, the world has %s", family, d.Event.ExecutionID, execution.ExecutionID)
		}
	}
	if len(count) != 5 {
		t.Errorf("families %v, want all five", count)
	}
}

func TestScenario_hostileDatagramsOfEveryKind(t *testing.T) {
	seen := make(map[string]bool)
	s := appender.Scenario{World: newWorld(fixed), Count: 2000, HostilePercent: 50}
	for d := range s.Datagrams() {
		if len(d.Payload) > appender.MaxDatagram {
			t.Fatalf("%s: %d bytes do not fit a datagram", d.Hostile, len(d.Payload))
		}
		honest := d.Hostile == ""
		if honest && (!d.Accepted || strings.Count(string(d.Payload), ";") < 8) {
			t.Errorf("honest datagram %s", d.Payload)
		}
		if d.Accepted && !honest && strings.Count(string(d.Payload), ";") != 10 {
			t.Errorf("%s should be accepted with %d separators", d.Hostile, strings.Count(string(d.Payload), ";"))
		}
		seen[d.Hostile] = true
	}
	for _, name := range appender.Hostile() {
		if !seen[name] {
			t.Errorf("no datagram of kind %q", name)
		}
		if _, err := appender.HostileDatagram(name, 1, appender.Format{}, sampleEvent("/scheduler-task-failed/")); err != nil {
			t.Error(err)
		}
	}
	if _, err := appender.HostileDatagram("kind words", 1, appender.Format{}, appender.Event{}); err == nil {
		t.Error("an unknown kind is accepted")
	}
}

func TestScenario_keepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := appender.Scenario{World: newWorld(fixed), Count: 101, Rate: 10}
		report, err := s.Send(t.Context(), func([]byte) error { return nil })
		if err != nil || report.Sent != 101 || report.Took != 10*time.Second {
			t.Errorf("report %+v, %v; want 101 in 10 s", report, err)
		}
	})
}

func TestScenario_endsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 550*time.Millisecond)
		defer cancel()
		s := appender.Scenario{World: newWorld(fixed), Count: 1000, Rate: 10}
		report, err := s.Send(ctx, func([]byte) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) || report.Sent != 6 {
			t.Errorf("report %+v, %v", report, err)
		}
	})
}

func TestScenario_countsWhatItDid(t *testing.T) {
	var told int
	s := appender.Scenario{
		World: newWorld(fixed), Count: 400, DuplicatePercent: 25, HostilePercent: 10,
		Mix:    []appender.Share{{Identifier: "/scheduler-task-failed/", Task: qlik.TaskPreload, Weight: 1}},
		OnSent: func(appender.Datagram) { told++ },
	}
	n := 0
	report, err := s.Send(t.Context(), func([]byte) error {
		if n++; n%10 == 0 {
			return errors.New("socket says no")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Sent+report.Failed != told || report.Failed != told/10 || report.Duplicates == 0 || report.Hostile == 0 ||
		report.ByFamily[messages.FamilyFailed]+report.Hostile != report.Sent {
		t.Errorf("report %+v of %d datagrams", report, told)
	}
	if _, err := (appender.Scenario{}).Send(t.Context(), nil); err == nil {
		t.Error("a scenario without a world runs")
	}
}

func TestAppender_sendsDatagrams(t *testing.T) {
	receiver, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	sender, err := appender.Dial(receiver.LocalAddr().String(), appender.Format{DoubleSlash: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	e := sampleEvent("/scheduler-task-success/")
	want := []string{string(appender.Format{DoubleSlash: true}.Append(nil, e)), "", strings.Repeat("x", appender.MaxDatagram)}
	for i, payload := range want {
		if i == 0 {
			err = sender.Send(e)
		} else {
			err = sender.SendRaw([]byte(payload))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	buffer := make([]byte, 1<<16)
	for _, payload := range want {
		n, _, err := receiver.ReadFrom(buffer)
		if err != nil || string(buffer[:n]) != payload {
			t.Errorf("received %d bytes, %v; want %d", n, err, len(payload))
		}
	}
	if err := sender.SendRaw(make([]byte, appender.MaxDatagram+1)); err == nil {
		t.Error("a datagram that cannot exist was sent")
	}
}

// notebook writes down what a scheduler announces, and when.
type notebook struct {
	mu    sync.Mutex
	begin time.Time
	lines []string
}

func (n *notebook) announce(e appender.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, time.Since(n.begin).String()+" "+e.Type.Identifier)
	return nil
}

func (n *notebook) read() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lines
}

func TestScheduler_announcesExecutionsWhenTheyEnd(t *testing.T) {
	tests := []struct {
		name  string
		kind  qlik.TaskType
		final qlik.ExecutionStatus
		want  []string
	}{
		{"reload succeeds", qlik.TaskReload, qlik.StatusFinishedSuccess, []string{"9s /scheduler-task-success/"}},
		{"sync fails", qlik.TaskUserSync, qlik.StatusFinishedFail, []string{"9s /scheduler-task-failed/"}},
		{"reload is aborted", qlik.TaskReload, qlik.StatusAborted, []string{"9s /scheduler-task-aborted/"}},
		{"distribute succeeds", qlik.TaskDistribute, qlik.StatusFinishedSuccess, []string{"3s /scheduler-distribute/", "9s /scheduler-task-success/"}},
		{"distribute fails", qlik.TaskDistribute, qlik.StatusFinishedFail, []string{"3s /scheduler-distribute/"}},
		{"skipped", qlik.TaskReload, qlik.StatusSkipped, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(time.Now)
				book := &notebook{begin: time.Now()}
				scheduler := appender.NewScheduler(w.Now, book.announce)
				id, _ := w.TaskOfType(test.kind, 0)
				execution, err := w.Start(id, world.Outcome{Final: test.final, Duration: 9 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				scheduler.Follow(execution)
				time.Sleep(time.Minute)
				synctest.Wait()
				if diff := cmp.Diff(test.want, book.read()); diff != "" {
					t.Errorf("announced (-want +got):\n%s", diff)
				}
				if n := scheduler.Pending(); n != 0 {
					t.Errorf("%d executions are still followed", n)
				}
				scheduler.Stop()
			})
		})
	}
}

func TestScheduler_abortReplacesThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(time.Now)
		book := &notebook{begin: time.Now()}
		scheduler := appender.NewScheduler(w.Now, book.announce)
		execution, err := w.Start(w.TaskID(0), world.Outcome{Duration: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		scheduler.Follow(execution)
		time.Sleep(time.Second)
		aborted, ok := w.Abort(w.TaskID(0))
		if !ok {
			t.Fatal("not aborted")
		}
		scheduler.Follow(aborted)
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{"1s /scheduler-task-aborted/"}, book.read()); diff != "" {
			t.Errorf("announced (-want +got):\n%s", diff)
		}
		scheduler.Stop()
		scheduler.Follow(execution)
		if scheduler.Pending() != 0 {
			t.Error("a stopped scheduler follows")
		}
	})
}

func TestScheduler_stopDropsWhatIsPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(time.Now)
		scheduler := appender.NewScheduler(w.Now, func(appender.Event) error {
			t.Error("announced after Stop")
			return nil
		})
		execution, err := w.Start(w.TaskID(0), world.Outcome{Duration: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		scheduler.Follow(execution)
		scheduler.Stop()
		time.Sleep(time.Hour)
	})
}
