package influxdb

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination/destinationtest"
	"butler/internal/qlik"
	"butler/messages"
)

func unzip(t *testing.T, body string) string {
	t.Helper()
	unpacked, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// recorderOf returns the recorder of a kind with the given settings.
func recorderOf(t *testing.T, kind messages.AlertKind, own Measurement) recorder {
	t.Helper()
	for _, r := range rules {
		if r.kind == kind {
			return recorder{rule: r, own: own, zone: time.FixedZone("CEST", 2*60*60)}
		}
	}
	t.Fatalf("no measurement for %s", kind)
	return recorder{}
}

// pointOf returns the point of an alert.
func (r recorder) pointOf(a messages.Alert) point {
	var p point
	r.fill(&p, &a)
	return p
}

func TestTags_laterOnesOverwriteEarlierOnes(t *testing.T) {
	r := recorderOf(t, messages.ReloadTaskFailed, Measurement{Tag: Tags{
		Static:  []StaticTag{{"env", "own"}, {"taskTag_nightly", "fixed"}, {"host", "own"}},
		Dynamic: Dynamic{UseTaskTags: true, UseAppTags: true},
	}})
	r.global.Static = []StaticTag{{"env", "global"}, {"log_level", "global"}, {"site", "global"}}
	got := tagsOf(r.pointOf(destinationtest.Complete(messages.ReloadTaskFailed)))
	for name, want := range map[string]string{
		"env": "own", "site": "global", "log_level": "WARN", "host": "own",
		"taskTag_nightly": "fixed", "taskTag_Finance team": "true", "appTag_prod": "true", "appTag_Core app": "true",
		"user": "CORP/anna", "app_id": destinationtest.AppID, "app_name": "Sales",
	} {
		if got[name] != want {
			t.Errorf("tag %s is %q, want %q", name, got[name], want)
		}
	}
}

func TestTags_dynamicOnesAreWrittenForEveryMeasurement(t *testing.T) {
	own := Measurement{Tag: Tags{Dynamic: Dynamic{UseTaskTags: true, UseAppTags: true}}}
	for _, rule := range rules {
		got := tagsOf(recorderOf(t, rule.kind, own).pointOf(destinationtest.Complete(rule.kind)))
		if got["taskTag_nightly"] != "true" {
			t.Errorf("%s has no task tags", rule.measurement)
		}
		if _, has := got["appTag_prod"]; has != rule.scriptLog {
			t.Errorf("%s: app tags are written is %t, want %t", rule.measurement, has, rule.scriptLog)
		}
	}
}

func TestTags_tooManyDynamicOnesDoNotExceedTheSeriesKey(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	for i := range 1000 {
		a.Task.Tags = append(a.Task.Tags, strings.Repeat("x", 500)+string(rune('a'+i%26))+strings.Repeat("y", i))
	}
	r := recorderOf(t, messages.ReloadTaskFailed, Measurement{Tag: Tags{Dynamic: Dynamic{UseTaskTags: true}}})
	line := string(lineOf(r.pointOf(a)))
	key, _, _ := strings.Cut(line, " execution_id=")
	if len(key) > 60_000 || !strings.Contains(key, "taskTag_nightly=true") || !strings.Contains(key, "user=CORP/anna") {
		t.Errorf("the series key has %d bytes", len(key))
	}
}

// failures returns n failures of one task whose events have the same time.
func failures(n int) []messages.Alert {
	out := make([]messages.Alert, n)
	for i := range out {
		out[i] = destinationtest.Complete(messages.ReloadTaskFailed)
		out[i].Event.ExecutionID = fmt.Sprintf("4c3b2a19-0f1e-4a4b-8888-%012d", i)
	}
	return out
}

func TestTime_isThatOfTheEventToTheMicrosecond(t *testing.T) {
	r := recorderOf(t, messages.ReloadTaskFailed, Measurement{})
	for _, a := range failures(100) {
		a.Event.At = time.Date(2026, 5, 6, 12, 23, 45, 123_456_789, time.UTC)
		got := r.pointOf(a).at
		if want := a.Event.At.Truncate(time.Microsecond); !got.Truncate(time.Microsecond).Equal(want) {
			t.Errorf("%s: the time is %v, want %v and some nanoseconds", a.Event.ExecutionID, got, want)
		}
	}
}

func TestTime_differsForSimultaneousExecutions(t *testing.T) {
	r := recorderOf(t, messages.ReloadTaskFailed, Measurement{})
	two := failures(2)
	first, second := r.pointOf(two[0]), r.pointOf(two[1])
	if diff := cmp.Diff(tagsOf(first), tagsOf(second)); diff != "" {
		t.Fatalf("want the same series: %s", diff)
	}
	if first.at.Equal(second.at) {
		t.Errorf("two executions share %v, so that one overwrites the other", first.at)
	}
}

func TestTime_isTheSameWhenAnEventIsStoredAgain(t *testing.T) {
	r := recorderOf(t, messages.ReloadTaskFailed, Measurement{})
	a := failures(1)[0]
	again := a
	again.DecidedAt, again.Event.At = a.DecidedAt.Add(time.Hour), a.Event.At.In(time.FixedZone("CEST", 2*60*60))
	if first, second := lineOf(r.pointOf(a)), lineOf(r.pointOf(again)); !bytes.Equal(first, second) {
		t.Errorf("want the same line twice, so that the point overwrites itself:\n%s\n%s", first, second)
	}
}

func TestDuration_isSplitWithoutDaysAndRounding(t *testing.T) {
	for duration, want := range map[time.Duration]map[string]any{
		225*time.Second + 999*time.Millisecond: {"json": `{"hours":0,"minutes":3,"seconds":45}`, "sec": 225.0, "min": 3.75, "h": 0.0625},
		5 * time.Second:                        {"json": `{"hours":0,"minutes":0,"seconds":5}`, "sec": 5.0, "min": 0.08333333333333333, "h": 0.001388888888888889},
		50*time.Hour + time.Minute:             {"json": `{"hours":50,"minutes":1,"seconds":0}`, "sec": 180060.0, "min": 3001.0, "h": 50.016666666666666},
		-time.Second:                           {"json": `{"hours":0,"minutes":0,"seconds":0}`, "sec": 0.0, "min": 0.0, "h": 0.0},
	} {
		a := destinationtest.Complete(messages.UserSyncTaskSucceeded)
		a.Execution.Duration = duration
		fields := fieldsOf(recorderOf(t, a.Kind, Measurement{}).pointOf(a))
		got := map[string]any{}
		for unit := range want {
			got[unit] = fields["task_executionDuration_"+unit]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", duration, diff)
		}
	}
}

func TestTimes_haveTheFormsOfTheDocumentation(t *testing.T) {
	a := destinationtest.Complete(messages.UserSyncTaskSucceeded)
	a.Execution.Stop = qlik.NeverDate
	fields := fieldsOf(recorderOf(t, a.Kind, Measurement{}).pointOf(a))
	var start, stop map[string]string
	if err := json.Unmarshal([]byte(fields["task_executionStartTime_json"].(string)), &start); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(fields["task_executionStopTime_json"].(string)), &stop); err != nil {
		t.Fatal(err)
	}
	full := "May 6, 2026 at 2:20:00 PM GMT+2"
	wantStart := map[string]string{
		"startTimeUTC": "2026-05-06T12:20:00.000Z", "startTimeLocal1": "2026-05-06 14:20:00",
		"startTimeLocal2": "5/6/2026, 2:20:00 PM", "startTimeLocal3": "May 6, 2026, 2:20:00 PM",
		"startTimeLocal4": full, "startTimeLocal5": full,
	}
	wantStop := map[string]string{
		"stopTimeUTC": "-", "stopTimeLocal1": "-", "stopTimeLocal2": "-", "stopTimeLocal3": "-", "stopTimeLocal4": "-", "stopTimeLocal5": "-",
	}
	if diff := cmp.Diff([]map[string]string{wantStart, wantStop}, []map[string]string{start, stop}); diff != "" {
		t.Error(diff)
	}
}

func TestStatusText_isWrittenUnderBothSpellings(t *testing.T) {
	a := destinationtest.Complete(messages.DistributeTaskSucceeded)
	a.Execution.Status = qlik.StatusDistributionRunning
	tags := tagsOf(recorderOf(t, a.Kind, Measurement{}).pointOf(a))
	if tags["task_executionStatusText"] != "DistributionRunning" || tags["task_exeuctionStatusText"] != "DistributionRunning" || tags["task_executionStatusNum"] != "14" {
		t.Errorf("got %v", tags)
	}
}

func TestScriptLog_ofAFailure(t *testing.T) {
	details := "2026-05-06T12:20:00.000Z\tChanging task state from Triggered to Started\n" +
		"2026-05-06T12:23:45.000Z\tChanging task state from Started to FinishedFail\n"
	dashes := "\r\n-------------------------------\r\n\r\n"
	complete := destinationtest.Complete(messages.ReloadTaskFailed)
	complete.ScriptLog = messages.ScriptLog{Available: true, Rows: 4, Tail: []string{"row1", "row2", "row3", "row4"}}
	noLog := complete
	noLog.ScriptLog = messages.ScriptLog{}
	rows := map[string]struct {
		alert messages.Alert
		tail  int
		want  map[string]any
	}{
		"last lines": {complete, 2, map[string]any{
			"scriptLog": details + dashes + "row3\r\nrow4", "reload_log": details + dashes + "row3\r\nrow4",
			"task_scriptLogSize": 4711.0, "task_scriptLogTailCount": 2.0,
		}},
		"more lines than there are": {complete, 20, map[string]any{
			"scriptLog": details + dashes + "row1\r\nrow2\r\nrow3\r\nrow4", "reload_log": details + dashes + "row1\r\nrow2\r\nrow3\r\nrow4",
			"task_scriptLogSize": 4711.0, "task_scriptLogTailCount": 20.0,
		}},
		"no lines wanted": {complete, 0, map[string]any{
			"scriptLog": details + dashes, "reload_log": details + dashes,
			"task_scriptLogSize": 4711.0, "task_scriptLogTailCount": 0.0,
		}},
		"log not obtainable": {noLog, 20, map[string]any{
			"scriptLog": "Script log not available", "task_scriptLogSize": 0.0, "task_scriptLogTailCount": 0.0,
		}},
		"nothing obtainable": {destinationtest.Degraded(messages.ReloadTaskFailed), 20, map[string]any{
			"scriptLog": "Script log not available", "task_scriptLogSize": 0.0, "task_scriptLogTailCount": 0.0,
		}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			p := recorderOf(t, messages.ReloadTaskFailed, Measurement{TailScriptLogLines: row.tail}).pointOf(row.alert)
			if diff := cmp.Diff(row.want, scriptLogFields(p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScriptLog_hasPlaceholdersForAnUnknownExecution(t *testing.T) {
	p := recorderOf(t, messages.ReloadTaskFailed, Measurement{TailScriptLogLines: 20}).pointOf(destinationtest.Degraded(messages.ReloadTaskFailed))
	for name, want := range map[string]string{
		"task_executingNodeName": "unknown", "task_executionStatusNum": "-1",
		"task_executionStatusText": "Script log not available", "task_exeuctionStatusText": "Script log not available",
	} {
		if got := tagsOf(p)[name]; got != want {
			t.Errorf("tag %s is %q, want %q", name, got, want)
		}
	}
	for name := range fieldsOf(p) {
		if strings.HasPrefix(name, "task_execution") {
			t.Errorf("field %s is written, and nothing is known of it", name)
		}
	}
}

func TestScriptLog_ofASuccess(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskSucceeded)
	a.ScriptLog = messages.ScriptLog{Available: true, Rows: 4, Head: []string{"row1", "row2", "row3"}, Tail: []string{"row3", "row4"}}
	details := "2026-05-06T12:20:00.000Z\tChanging task state from Triggered to Started\n" +
		"2026-05-06T12:23:45.000Z\tChanging task state from Started to FinishedSuccess\n"
	text := details + "\r\n---------- SCRIPT LOG HEAD (2 lines) ----------\r\nrow1\r\nrow2\r\n\r\n" +
		"---------- SCRIPT LOG TAIL (1 lines) ----------\r\nrow4"
	p := recorderOf(t, a.Kind, Measurement{HeadScriptLogLines: 2, TailScriptLogLines: 1}).pointOf(a)
	want := map[string]any{
		"scriptLog": text, "reload_log": text,
		"task_scriptLogSize": 4711.0, "task_scriptLogHeadCount": 2.0, "task_scriptLogTailCount": 1.0,
	}
	if diff := cmp.Diff(want, scriptLogFields(p)); diff != "" {
		t.Error(diff)
	}
	none := recorderOf(t, a.Kind, Measurement{}).pointOf(a)
	want = map[string]any{"task_scriptLogSize": 4711.0, "task_scriptLogHeadCount": 0.0, "task_scriptLogTailCount": 0.0}
	if diff := cmp.Diff(want, scriptLogFields(none)); diff != "" {
		t.Errorf("no lines wanted: %s", diff)
	}
}

func TestScriptLog_longOneLosesTheBeginningOfItsTail(t *testing.T) {
	for _, kind := range []messages.AlertKind{messages.ReloadTaskFailed, messages.ReloadTaskSucceeded} {
		a := destinationtest.Complete(kind)
		line := strings.Repeat("日本語 ", 100)
		for range 200 {
			a.ScriptLog.Head = append(a.ScriptLog.Head, line)
			a.ScriptLog.Tail = append(a.ScriptLog.Tail, line)
		}
		a.ScriptLog.Tail = append(a.ScriptLog.Tail, "the reason")
		for range 1000 {
			a.Execution.Details = append(a.Execution.Details, messages.ExecutionDetail{Message: line})
		}
		p := recorderOf(t, kind, Measurement{HeadScriptLogLines: 200, TailScriptLogLines: 200}).pointOf(a)
		text := fieldsOf(p)["scriptLog"].(string)
		if len(text) > maxField || len(text) < maxField-3 || !utf8.ValidString(text) {
			t.Errorf("%s: the text has %d bytes, UTF-8 is %t", kind, len(text), utf8.ValidString(text))
		}
		if !strings.HasSuffix(text, line+"\r\nthe reason") || !strings.HasPrefix(text, "2026-05-06T12:20:00.000Z\t") {
			t.Errorf("%s: the text does not begin with the details and end with the end of the log", kind)
		}
	}
}

// scriptLogFields returns the fields of a point that are about the script log.
func scriptLogFields(p point) map[string]any {
	out := map[string]any{}
	for name, value := range fieldsOf(p) {
		if name == "reload_log" || strings.HasPrefix(name, "scriptLog") || strings.HasPrefix(name, "task_scriptLog") {
			out[name] = value
		}
	}
	return out
}

func TestPoint_keepsNothingOfThePreviousAlert(t *testing.T) {
	s := buildAll(t, sampleConfig(1)("http://127.0.0.1:1"))[string(messages.ReloadTaskFailed)].Destination.(*store)
	full, empty := destinationtest.Complete(messages.ReloadTaskFailed), messages.Alert{Kind: messages.ReloadTaskFailed}
	var want, got []byte
	var shared point
	for _, a := range []messages.Alert{full, empty, destinationtest.Degraded(messages.ReloadTaskFailed), full} {
		want = s.lines(want, &point{}, &a)
		got = s.lines(got, &shared, &a)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("lines (-each alone +in the same memory):\n%s", diff)
	}
}

func BenchmarkPoints(b *testing.B) {
	r := recorder{rule: rules[slices.IndexFunc(rules, func(r rule) bool { return r.kind == messages.ReloadTaskSucceeded })]}
	a := destinationtest.Complete(messages.ReloadTaskSucceeded)
	var room point
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = r.appendLine(line[:0], &room, &a)
	}
	b.SetBytes(int64(len(line)))
}
