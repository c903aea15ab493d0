package udp

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"butler/messages"
)

const (
	taskID = "f1e2d3c4-b5a6-7890-1234-567890abcdef"
	appID  = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
	execID = "e9f8a7b6-c5d4-3210-fedc-ba0987654321"
	stamp  = "2026-05-06 14:23:45,123"
)

// scheduler joins the eleven fields of a scheduler message, overwritten by
// position (as documented, from 1).
func scheduler(identifier string, change map[int]string) []byte {
	fields := []string{
		identifier, "sense-server-01", "Daily Sales Reload", "Sales Dashboard", `LAB\jdoe`,
		taskID, appID, stamp, "WARN", execID, "Max retries reached",
	}
	for position, value := range change {
		fields[position-1] = value
	}
	return []byte(strings.Join(fields, ";"))
}

func accept(t *testing.T, payload []byte, opts ParseOptions) messages.TaskEvent {
	t.Helper()
	event, rejection := Parse(payload, opts)
	if rejection != nil {
		t.Fatalf("Parse(%q) was refused: %v", payload, rejection)
	}
	return event
}

func refuse(t *testing.T, payload []byte, opts ParseOptions) *Rejection {
	t.Helper()
	event, rejection := Parse(payload, opts)
	if rejection == nil {
		t.Fatalf("Parse(%q) was accepted as %+v", payload, event)
	}
	return rejection
}

func TestParse_readsTheSchedulerLayout(t *testing.T) {
	got := accept(t, scheduler("/scheduler-task-failed/", nil), ParseOptions{})
	want := messages.TaskEvent{
		Family: messages.FamilyFailed, MessageType: "/scheduler-task-failed/", HostName: "sense-server-01",
		TaskName: "Daily Sales Reload", AppName: "Sales Dashboard", User: `LAB\jdoe`, TaskID: taskID, AppID: appID,
		LogTimestamp: stamp, LogLevel: "WARN", ExecutionID: execID, LogMessage: "Max retries reached",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestParse_readsTheEngineLayout(t *testing.T) {
	payload := "/engine-reload-failed/;sense-server-01;" + appID + ";session-12345;LAB;jdoe;" + stamp + ";ERROR;Script line 45"
	want := messages.TaskEvent{
		Family: messages.FamilyEngine, MessageType: "/engine-reload-failed/", HostName: "sense-server-01",
		AppID: appID, SessionID: "session-12345", User: `LAB\jdoe`, LogTimestamp: stamp, LogLevel: "ERROR",
		LogMessage: "Script line 45",
	}
	if diff := cmp.Diff(want, accept(t, []byte(payload), ParseOptions{})); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestParse_knowsNineIdentifiers(t *testing.T) {
	families := map[string]messages.Family{
		"/scheduler-reload-failed/":      messages.FamilyFailed,
		"/scheduler-task-failed/":        messages.FamilyFailed,
		"/scheduler-reloadtask-failed/":  messages.FamilyFailed,
		"/scheduler-reload-aborted/":     messages.FamilyAborted,
		"/scheduler-task-aborted/":       messages.FamilyAborted,
		"/scheduler-reloadtask-success/": messages.FamilySucceeded,
		"/scheduler-task-success/":       messages.FamilySucceeded,
		"/scheduler-distribute/":         messages.FamilyDistribute,
	}
	for identifier, family := range families {
		if got := accept(t, scheduler(identifier, nil), ParseOptions{}); got.Family != family {
			t.Errorf("%s is of family %v, want %v", identifier, got.Family, family)
		}
	}
	if want, got := len(families)+1, len(Identifiers()); got != want {
		t.Errorf("Identifiers lists %d, want %d", got, want)
	}
	for _, identifier := range Identifiers() {
		if _, known := identify([]byte(identifier)); !known {
			t.Errorf("%s is listed and not known", identifier)
		}
	}
}

func TestParse_normalisesTheIdentifier(t *testing.T) {
	for name, row := range map[string]struct {
		identifier string
		known      bool
	}{
		"upper case":               {"/SCHEDULER-Task-FAILED/", true},
		"two slashes":              {"/scheduler-task-failed//", true},
		"many slashes":             {"/scheduler-task-failed" + strings.Repeat("/", 700), true},
		"control character inside": {"/scheduler-\x01task-failed/", true},
		"slash missing":            {"/scheduler-task-failed", false},
		"not trimmed":              {" /scheduler-task-failed/", false},
		"space behind":             {"/scheduler-task-failed/ ", false},
		"two slashes in front":     {"//scheduler-task-failed/", false},
		"look-alike letter":        {"/sch\u0435duler-task-failed/", false},
		"Kelvin sign is no k":      {"/scheduler-tas\u212a-failed/", false},
		"byte order mark":          {"\ufeff/scheduler-task-failed/", false},
		"only a slash":             {"/", false},
		"only slashes":             {"///", false},
	} {
		t.Run(name, func(t *testing.T) {
			event, rejection := Parse(scheduler(row.identifier, nil), ParseOptions{})
			switch {
			case row.known && rejection != nil:
				t.Errorf("refused: %v", rejection)
			case row.known && event.MessageType != "/scheduler-task-failed/":
				t.Errorf("message type %q is not normalised", event.MessageType)
			case !row.known && (rejection == nil || rejection.Reason != ReasonUnknownType):
				t.Errorf("got %v, want unknown type", rejection)
			}
		})
	}
}

func TestParse_countsFieldsExactly(t *testing.T) {
	engine := "/engine-reload-failed/;h;" + appID + ";s;LAB;jdoe;" + stamp + ";ERROR;m"
	for name, row := range map[string]struct {
		payload string
		want    *Rejection
	}{
		"eleven":                  {string(scheduler("/scheduler-task-failed/", nil)), nil},
		"ten":                     {strings.TrimSuffix(string(scheduler("/scheduler-task-failed/", nil)), ";Max retries reached"), &Rejection{Reason: ReasonFieldCount, Expected: 11, Actual: 10}},
		"twelve":                  {string(scheduler("/scheduler-task-failed/", nil)) + ";", &Rejection{Reason: ReasonFieldCount, Expected: 11, Actual: 12}},
		"semicolon in a name":     {string(scheduler("/scheduler-task-failed/", map[int]string{3: "a;b"})), &Rejection{Reason: ReasonFieldCount, Expected: 11, Actual: 12}},
		"identifier alone":        {"/scheduler-task-failed/", &Rejection{Reason: ReasonFieldCount, Expected: 11, Actual: 1}},
		"distribute with ten":     {strings.TrimSuffix(string(scheduler("/scheduler-distribute/", nil)), ";Max retries reached"), &Rejection{Reason: ReasonFieldCount, Expected: 11, Actual: 10, AtLeast: true}},
		"distribute with more":    {string(scheduler("/scheduler-distribute/", nil)) + ";extra1;extra2", nil},
		"engine with nine":        {engine, nil},
		"engine with eight":       {"/engine-reload-failed/;a;b;c;d;e;f;g", &Rejection{Reason: ReasonFieldCount, Expected: 9, Actual: 8}},
		"engine with ten":         {engine + ";x", &Rejection{Reason: ReasonFieldCount, Expected: 9, Actual: 10}},
		"nothing but semicolons":  {strings.Repeat(";", 60000), &Rejection{Reason: ReasonUnknownType}},
		"sixty thousand and type": {"/scheduler-task-failed/" + strings.Repeat(";", 60000), &Rejection{Reason: ReasonFieldCount, Expected: 11, Actual: 60001}},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := Parse([]byte(row.payload), ParseOptions{})
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("rejection (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_checksTheIDs(t *testing.T) {
	for name, row := range map[string]struct {
		change map[int]string
		want   Reason
	}{
		"upper-case GUIDs":                    {map[int]string{6: strings.ToUpper(taskID), 7: strings.ToUpper(appID)}, ReasonNone},
		"all-zero GUID":                       {map[int]string{6: "00000000-0000-0000-0000-000000000000"}, ReasonNone},
		"no app ID":                           {map[int]string{7: ""}, ReasonNone},
		"app ID is a dash":                    {map[int]string{7: "-"}, ReasonNone},
		"app ID is null":                      {map[int]string{7: "(null)"}, ReasonNone},
		"execution ID is not checked":         {map[int]string{10: "exec"}, ReasonNone},
		"task ID empty":                       {map[int]string{6: ""}, ReasonBadTaskID},
		"task ID a dash":                      {map[int]string{6: "-"}, ReasonBadTaskID},
		"task ID null":                        {map[int]string{6: "(null)"}, ReasonBadTaskID},
		"task ID no GUID":                     {map[int]string{6: "not-a-guid"}, ReasonBadTaskID},
		"task ID in braces":                   {map[int]string{6: "{" + taskID + "}"}, ReasonBadTaskID},
		"task ID with a space":                {map[int]string{6: taskID + " "}, ReasonBadTaskID},
		"task ID one digit short":             {map[int]string{6: taskID[1:]}, ReasonBadTaskID},
		"task ID without dashes":              {map[int]string{6: strings.ReplaceAll(taskID, "-", "")}, ReasonBadTaskID},
		"task ID with a filter trick":         {map[int]string{6: taskID[:35] + "'"}, ReasonBadTaskID},
		"app ID no GUID":                      {map[int]string{7: "x"}, ReasonBadAppID},
		"app ID null in other case":           {map[int]string{7: "(NULL)"}, ReasonBadAppID},
		"both wrong: the task ID comes first": {map[int]string{6: "x", 7: "y"}, ReasonBadTaskID},
		"task ID with a tab inside":           {map[int]string{6: taskID[:10] + "\t" + taskID[10:]}, ReasonNone},
	} {
		t.Run(name, func(t *testing.T) {
			_, rejection := Parse(scheduler("/scheduler-task-failed/", row.change), ParseOptions{})
			got := ReasonNone
			if rejection != nil {
				got = rejection.Reason
			}
			if got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestParse_checksTheAppIDOfEngineEvents(t *testing.T) {
	for id, want := range map[string]Reason{appID: ReasonNone, "": ReasonNone, "-": ReasonNone, "(null)": ReasonNone, "b": ReasonBadAppID} {
		_, rejection := Parse([]byte("/engine-reload-failed/;h;"+id+";s;d;u;t;l;m"), ParseOptions{})
		if got := rejection; (got == nil) != (want == ReasonNone) || got != nil && got.Reason != want {
			t.Errorf("app ID %q: got %v, want %v", id, got, want)
		}
	}
}

func TestParse_readsNoValueAsEmpty(t *testing.T) {
	for _, none := range []string{"", "-", "(null)"} {
		event := accept(t, scheduler("/scheduler-distribute/", map[int]string{4: none, 7: none, 10: none}), ParseOptions{})
		if event.AppID != "" || event.AppName != "" || event.ExecutionID != "" {
			t.Errorf("%q gives app %q (%q), execution %q, want nothing", none, event.AppID, event.AppName, event.ExecutionID)
		}
	}
	event := accept(t, scheduler("/scheduler-task-failed/", map[int]string{3: "-", 4: "-"}), ParseOptions{})
	if event.TaskName != "-" || event.AppName != "-" {
		t.Errorf("what is there and called - became %q and %q", event.TaskName, event.AppName)
	}
	event = accept(t, scheduler("/scheduler-distribute/", map[int]string{3: "(null)", 4: "(null)", 5: "(null)"}), ParseOptions{})
	if event.TaskName != "" || event.AppName != "" || event.User != "" {
		t.Errorf("what log4net does not know became task %q, app %q, user %q", event.TaskName, event.AppName, event.User)
	}
}

func TestParse_refusesWhatIsNoEvent(t *testing.T) {
	for payload, want := range map[string]Rejection{
		"":                     {Reason: ReasonEmpty},
		"Test message":         {Reason: ReasonUnknownType, Detail: "Test message"},
		"/unknown-type/;a;b;c": {Reason: ReasonUnknownType, Detail: "/unknown-type/"},
		"\x00\x01\x02":         {Reason: ReasonUnknownType},
		"/x\x1b[31m/;a":        {Reason: ReasonUnknownType, Detail: "/x[31m/"},
		"n1;Sales;App;LAB\\goran;dec2a02a-1680-44ef-8dc2-e2bfb180af87;e3b27f50-b1c0-4879-88fc-c7cdd9c1cf3e;2021-02-10 10:17:29,245;WARN;1dbf6b33-ee5a-4b1e-9f2e-9c6d4d8b5a11;Message": {
			Reason: ReasonUnknownType, Detail: "n1", Untyped: true,
		},
		strings.Repeat("é", 9000): {
			Reason: ReasonUnknownType, Detail: strings.Repeat("é", detailCharacters),
		},
	} {
		if diff := cmp.Diff(&want, refuse(t, []byte(payload), ParseOptions{})); diff != "" {
			t.Errorf("%.20q (-want +got):\n%s", payload, diff)
		}
	}
}

func TestRejection_saysWhatIsWrong(t *testing.T) {
	for want, rejection := range map[string]Rejection{
		"the datagram is empty":      {Reason: ReasonEmpty},
		`unknown message type "/x/"`: {Reason: ReasonUnknownType, Detail: "/x/"},
		`no message type: the node "n1" has an appender file of an early version of the Node.js tool; replace it with that of butler appender`: {
			Reason: ReasonUnknownType, Detail: "n1", Untyped: true,
		},
		"12 fields, want exactly 11":      {Reason: ReasonFieldCount, Expected: 11, Actual: 12},
		"3 fields, want at least 11":      {Reason: ReasonFieldCount, Expected: 11, Actual: 3, AtLeast: true},
		`task ID "x" is not a GUID`:       {Reason: ReasonBadTaskID, Detail: "x"},
		`app ID "a\u200bb" is not a GUID`: {Reason: ReasonBadAppID, Detail: "a\u200bb"},
		"rate_limit":                      {Reason: ReasonRateLimit},
	} {
		if got := rejection.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReasons_haveLabelsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if label := r.String(); seen[label] || strings.Contains(label, "(") {
			t.Errorf("reason %d has the label %q", r, label)
		}
		seen[r.String()] = true
	}
	if Reason(200).String() != "Reason(200)" {
		t.Errorf("an unknown reason prints as %q", Reason(200))
	}
}

// TestParse_keepsItsPromises holds for any payload whatever.
func TestParse_keepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Custom(func(t *rapid.T) []byte {
				change := map[int]string{}
				for _, position := range rapid.SliceOfDistinct(rapid.IntRange(2, 11), rapid.ID).Draw(t, "positions") {
					change[position] = rapid.String().Draw(t, "field")
				}
				return scheduler(rapid.SampledFrom(Identifiers()).Draw(t, "type"), change)
			}),
		).Draw(t, "payload")
		checkParse(t, payload)
	})
}

// fataler is what rapid, fuzz and ordinary tests have in common.
type fataler interface {
	Fatalf(format string, args ...any)
}

// checkParse checks what must be true of Parse for every payload.
func checkParse(t fataler, payload []byte) {
	before := bytes.Clone(payload)
	event, rejection := Parse(payload, ParseOptions{})
	lenient, lenientRejection := Parse(payload, ParseOptions{RecoverSemicolons: true})
	if !bytes.Equal(before, payload) {
		t.Fatalf("Parse changed its input")
	}
	var checker Checker
	checked, refused := checker.Check(payload, ParseOptions{RecoverSemicolons: true})
	if want := (Checked{lenient.Family, []byte(lenient.HostName), lenient.Sanitised}); !cmp.Equal(refused, lenientRejection) ||
		refused == nil && !cmp.Equal(checked, want, cmpopts.EquateEmpty()) {
		t.Fatalf("Check tells %+v, %v, Parse %+v, %v", checked, refused, lenient, lenientRejection)
	}
	if rejection == nil && (lenientRejection != nil || lenient != event) {
		t.Fatalf("recovery changes an event that is accepted without it: %+v, %v", lenient, lenientRejection)
	}
	if rejection != nil {
		checkText(t, "detail", rejection.Detail, detailCharacters)
		if event != (messages.TaskEvent{}) {
			t.Fatalf("a refused payload gives the event %+v", event)
		}
	}
	if lenientRejection != nil {
		return
	}
	for name, text := range map[string]string{
		"host": lenient.HostName, "task name": lenient.TaskName, "app name": lenient.AppName, "task ID": lenient.TaskID,
		"app ID": lenient.AppID, "timestamp": lenient.LogTimestamp, "level": lenient.LogLevel,
		"execution ID": lenient.ExecutionID, "message": lenient.LogMessage, "session": lenient.SessionID,
	} {
		checkText(t, name, text, MaxCharacters)
	}
	checkText(t, "user", lenient.User, 2*MaxCharacters+1)
	if lenient.Family == messages.FamilyUnknown || lenient.Family != messages.FamilyEngine && len(lenient.TaskID) != 36 {
		t.Fatalf("accepted without family or task ID: %+v", lenient)
	}
}

func checkText(t fataler, name, text string, limit int) {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > limit || strings.IndexFunc(text, isControl) >= 0 {
		t.Fatalf("%s is not sanitised: %q", name, text)
	}
}
