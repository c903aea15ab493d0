package template_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination/destinationtest"
	"butler/internal/qlik"
	"butler/internal/template"
	"butler/internal/template/handlebars"
	"butler/messages"
)

// documented are the field names that operators' templates rely on.
var documented = strings.Fields(`
	hostName taskName taskId appName appId logTimeStamp logLevel logMessage user executionId
	taskCustomProperties taskTags taskIsManuallyTriggered taskIsPartialReload taskMaxRetries
	taskModifiedByUsername taskModifiedDate taskSessionTimeout taskNextExecution
	appUrl appDescription appFileSize appLastSuccessfulReload appLastModifiedDate appLastModifiedByUserName
	appPublishTime appPublished appStreamName appCustomProperties appTags
	executingNodeName executionDuration executionStartTime executionStopTime executionStatusNum executionStatusText
	executionDetails executionDetailsConcatenated executionDetailsText
	scriptLogSize scriptLogSizeRows scriptLogSizeCharacters
	scriptLogHead scriptLogTail scriptLogHeadCount scriptLogTailCount
	scriptError executionResult executionDurationText executionHistory taskNextExecutionLocal appLastSuccessfulReloadLocal
	qlikSenseQMC qlikSenseHub genericUrls butlerVersion
	appOwnerName appOwnerUserId appOwnerUserDirectory appOwnerEmail
	degraded suppressedAlerts`)

// The documented fields of alerts that are not about tasks.
var (
	common            = strings.Fields(`qlikSenseQMC qlikSenseHub genericUrls butlerVersion degraded suppressedAlerts alertTitle alertSubject`)
	documentedService = strings.Fields(`host serviceStatus servicePrevStatus serviceName serviceDisplayName serviceFriendlyName
		serviceStartType serviceExePath`)
	documentedLicense = strings.Fields(`licenseExpired expiryDateStr daysUntilExpiry`)
	documentedCloud   = strings.Fields(`
		tenantId userId tenantComment tenantUrl userName appId appName appUrl appDescription appHasSectionAccess appIsPublished
		appPublishTime appThumbnail reloadTrigger source eventType eventTypeVersion endedWithMemoryConstraint isDirectQueryMode
		isPartialReload isSessionApp isSkipStore peakMemoryBytes rowLimit sizeMemoryBytes appFileSize reloadId statements status
		usageDuration errorCode errorMessage logMessage executionStatusText executionDuration executionStartTime executionStopTime
		scriptLogSize scriptLogSizeRows scriptLogSizeCharacters scriptLogHead scriptLogTail scriptLogHeadCount scriptLogTailCount
		scriptError executionResult executionDurationText
		appOwnerName appOwnerUserId appOwnerPicture appOwnerEmail`)
)

// documentedOf lists the documented fields of a kind.
func documentedOf(kind messages.AlertKind) []string {
	switch kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		return slices.Concat(common, documentedService)
	case messages.LicenseStatus, messages.LicenseExpiring:
		return slices.Concat(common, documentedLicense)
	case messages.CloudReloadFailed:
		return slices.Concat(common, documentedCloud)
	default:
		return slices.Concat(common, documented)
	}
}

func options() template.FieldOptions {
	return template.FieldOptions{
		Links: template.Links{
			QMC: "https://s/qmc", Hub: "https://s/hub", AppBaseURL: "https://s/app",
			Generic: []template.GenericURL{{ID: "docs", LinkText: "Docs", Comment: "Read", URL: "https://d"}},
		},
		Location: time.FixedZone("", 2*60*60), User: messages.TaskEvent.UserWithSlash,
		HeadLines: 2, TailLines: 3, Version: "1.2.3",
	}
}

func fieldsOf(a messages.Alert) map[string]any {
	return template.Fields(destinationtest.NoticeOf(a, "email/x", ""), options())
}

// shown renders one expression over the fields.
func shown(t *testing.T, expression string, fields map[string]any) string {
	t.Helper()
	r, err := template.Parse(expression, template.Line)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Render(fields)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFields_everyKindHasEveryDocumentedField(t *testing.T) {
	for _, sample := range destinationtest.Alerts() {
		fields := fieldsOf(sample.Alert)
		for _, name := range documentedOf(sample.Alert.Kind) {
			if _, ok := fields[name]; !ok {
				t.Errorf("%s: field %s is missing", sample.Name, name)
			}
		}
	}
}

func TestFields_values(t *testing.T) {
	fields := fieldsOf(destinationtest.Complete(messages.ReloadTaskFailed))
	for expression, want := range map[string]string{
		"{{hostName}}":            "sense-01",
		"{{user}}":                "CORP/anna",
		"{{taskName}} {{taskId}}": "Reload of Sales " + destinationtest.TaskID,
		"{{taskTags}}":            "nightly,Finance team",
		"{{#each taskCustomProperties}}{{name}}={{value}};{{/each}}": "Department=Finance;Butler_SuccessReloadTask_InfluxDB=Yes;",
		"{{taskIsManuallyTriggered}} {{taskIsPartialReload}}":        "true false",
		"{{taskMaxRetries}} {{taskSessionTimeout}}":                  "2 1440",
		"{{taskNextExecution}}":                                      "2026-05-07T12:20:00.000Z",
		"{{appUrl}}":                                                 "https://s/app/" + destinationtest.AppID,
		"{{appFileSize}}":                                            "1048576",
		"{{appPublished}}":                                           "true",
		"{{appStreamName}}":                                          "Finance",
		"{{appStreamName.name}}":                                     "Finance",
		"{{appOwnerName}} {{appOwnerUserDirectory}} {{appOwnerUserId}} {{appOwnerEmail}}":         "Bo Ek CORP boek bo@example.com",
		"{{executionStatusNum}} {{executionStatusText}}":                                          "8 FinishedFail",
		"{{executionDuration.hours}}:{{executionDuration.minutes}}:{{executionDuration.seconds}}": "0:3:45",
		"{{executionStartTime.startTimeUTC}}":                                                     "2026-05-06T12:20:00.000Z",
		"{{executionStopTime.stopTimeLocal1}}":                                                    "2026-05-06 14:23:45",
		"{{#each executionDetails}}{{timestampLocal1}} {{message}};{{/each}}":                     "2026-05-06 14:20:00 Changing task state from Triggered to Started;2026-05-06 14:23:45 Changing task state from Started to FinishedFail;",
		"{{scriptLogSize}} {{scriptLogSizeRows}} {{scriptLogSizeCharacters}}":                     "4711 60 2760",
		"{{scriptLogHeadCount}} {{scriptLogTailCount}}":                                           "2 3",
		"{{#each genericUrls}}{{id}} {{linkText}} {{comment}} {{url}}{{/each}}":                   "docs Docs Read https://d",
		"{{qlikSenseQMC}} {{qlikSenseHub}} {{butlerVersion}}":                                     "https://s/qmc https://s/hub 1.2.3",
		"[{{degraded}}] {{suppressedAlerts}}":                                                     "[] 0",
	} {
		if got := shown(t, expression, fields); got != want {
			t.Errorf("%s\nwant %q\n got %q", expression, want, got)
		}
	}
	if want, got := 2, strings.Count(fields["executionDetailsConcatenated"].(string), "\n"); got != want {
		t.Errorf("want %d lines of details, got %d", want, got)
	}
	if want, got := "line 58\r\n", fields["scriptLogTail"].(string); !strings.Contains(got, want) || strings.Count(got, "\r\n") != 2 {
		t.Errorf("want three lines joined by CRLF, got %q", got)
	}
}

func TestFields_areEmptyIfUnknown(t *testing.T) {
	fields := fieldsOf(destinationtest.Degraded(messages.ReloadTaskFailed))
	for _, name := range strings.Fields(`taskTags taskIsManuallyTriggered taskMaxRetries taskNextExecution appFileSize appPublished
		appStreamName appOwnerName executingNodeName executionStatusNum executionStatusText executionDetails scriptLogHead`) {
		if got := shown(t, "{{"+name+"}}{{#if "+name+"}}true{{/if}}", fields); got != "" {
			t.Errorf("%s: want nothing, got %q", name, got)
		}
	}
	for _, expression := range []string{"{{executionStartTime.startTimeLocal1}}", "{{executionDuration.hours}}"} {
		if got := shown(t, expression, fields); got != "" {
			t.Errorf("%s: want nothing, got %q", expression, got)
		}
	}
	if got := template.Notes(fields); len(got) != 1 || !strings.HasPrefix(got[0], "Details are missing: task: ") {
		t.Errorf("want a note about missing details, got %q", got)
	}
}

// The number of rows of a missing script log is empty, not 0.
func TestFields_aMissingScriptLogHasNoRows(t *testing.T) {
	for _, kind := range []messages.AlertKind{messages.ReloadTaskFailed, messages.CloudReloadFailed} {
		a := destinationtest.Complete(kind)
		a.ScriptLog = messages.ScriptLog{}
		fields := fieldsOf(a)
		if got := shown(t, "{{scriptLogSize}}[{{scriptLogSizeRows}}{{scriptLogSizeCharacters}}{{scriptLogHead}}{{scriptLogTail}}]", fields); got != "0[]" {
			t.Errorf("%s: want a size of 0 and nothing else, got %q", kind, got)
		}
	}
}

func TestFields_timesInEveryForm(t *testing.T) {
	a := destinationtest.Complete(messages.DistributeTaskSucceeded)
	for name, tc := range map[string]struct {
		iso  string
		zone *time.Location
		want []string
	}{
		"summer":     {"2026-05-06T14:23:45.123Z", time.FixedZone("CEST", 7200), []string{"2026-05-06T14:23:45.123Z", "2026-05-06 16:23:45", "5/6/2026, 4:23:45 PM", "May 6, 2026, 4:23:45 PM", "May 6, 2026 at 4:23:45 PM GMT+2", "May 6, 2026 at 4:23:45 PM GMT+2"}},
		"utc":        {"2026-11-30T00:05:09Z", nil, []string{"2026-11-30T00:05:09Z", "2026-11-30 00:05:09", "11/30/2026, 12:05:09 AM", "Nov 30, 2026, 12:05:09 AM", "November 30, 2026 at 12:05:09 AM UTC", "November 30, 2026 at 12:05:09 AM UTC"}},
		"half hour":  {"2026-01-01T00:00:00Z", time.FixedZone("", -12600), []string{"2026-01-01T00:00:00Z", "2025-12-31 20:30:00", "12/31/2025, 8:30:00 PM", "Dec 31, 2025, 8:30:00 PM", "December 31, 2025 at 8:30:00 PM GMT-3:30", "December 31, 2025 at 8:30:00 PM GMT-3:30"}},
		"never":      {"1753-01-01T00:00:00.000Z", nil, []string{"-", "-", "-", "-", "-", "-"}},
		"not a time": {"soon", nil, []string{"soon", "soon", "soon", "soon", "soon", "soon"}},
		"missing":    {"", nil, []string{"", "", "", "", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Execution.Start = tc.iso
			o := options()
			o.Location = tc.zone
			fields := template.Fields(destinationtest.NoticeOf(a, "email/x", ""), o)
			start := fields["executionStartTime"].(map[string]any)
			var got []string
			for _, suffix := range []string{"UTC", "Local1", "Local2", "Local3", "Local4", "Local5"} {
				got = append(got, start["startTime"+suffix].(string))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFields_showNeverAsAWord(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Task.NextExecution = "1753-01-01T00:00:00.000Z"
	if got := fieldsOf(a)["taskNextExecution"]; got != "Never" {
		t.Errorf("want Never, got %v", got)
	}
}

func TestFields_countSuppressedAlerts(t *testing.T) {
	n := destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "email/x", "")
	for held, want := range map[int]string{1: "One earlier alert", 7: "7 earlier alerts"} {
		n.SuppressedBefore = held
		if got := template.Notes(template.Fields(n, options())); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("want %q..., got %q", want, got)
		}
	}
}

// For any alert, the texts of the fields are safe for a terminal, a header and a UTF-8 decoder.
func TestFields_textsArePrintable(t *testing.T) {
	for _, sample := range destinationtest.Alerts() {
		walk(fieldsOf(sample.Alert), func(s string) {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x07\x1b\x7f\u202e") {
				t.Errorf("%s: unprintable text %q", sample.Name, fmt.Sprintf("%.60s", s))
			}
		})
	}
}

func walk(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	case map[string]any:
		for _, item := range v {
			walk(item, visit)
		}
	case handlebars.Named:
		visit(v.Text)
		walk(v.Fields, visit)
	}
}

func TestPlainText_needsNoTemplate(t *testing.T) {
	for _, sample := range destinationtest.Alerts() {
		got := template.PlainText(fieldsOf(sample.Alert))
		if !strings.HasPrefix(got, template.TitleOf(sample.Alert)+"\n") || sample.Alert.TaskEvent() && !strings.Contains(got, destinationtest.TaskID) {
			t.Errorf("%s: want title and task ID, got %.200q", sample.Name, got)
		}
		if len(sample.Alert.Degraded) > 0 && !strings.Contains(got, "Details are missing") {
			t.Errorf("%s: not marked as degraded", sample.Name)
		}
	}
}

func TestTitleOf_omitsAnUnknownTaskType(t *testing.T) {
	a := messages.Alert{Kind: messages.ReloadTaskSucceeded, Task: messages.Task{Known: true, Type: qlik.TaskReload}}
	if got := template.TitleOf(a); got != "Reload task succeeded" {
		t.Errorf("a reload is called %q", got)
	}
	a.Task = messages.Task{Type: qlik.TaskTypeUnknown}
	if got := template.TitleOf(a); got != "Task succeeded" {
		t.Errorf("a task of unknown type is called %q", got)
	}
	a.Kind = messages.DistributeTaskFailed
	if got := template.TitleOf(a); got != "Distribution failed" {
		t.Errorf("a distribution that told so itself is called %q", got)
	}
}

func TestFields_aCloudReloadHasItsNumbersAsTexts(t *testing.T) {
	fields := fieldsOf(destinationtest.Complete(messages.CloudReloadFailed))
	for expression, want := range map[string]string{
		"{{peakMemoryBytes}} {{rowLimit}} {{sizeMemoryBytes}} {{appFileSize}}": "123,456,789 -1 2,048 7,340,032",
		"{{scriptLogSize}} {{scriptLogSizeRows}}":                              "60 60",
		"{{executionDuration.minutes}}:{{executionDuration.seconds}}":          "0:42",
		"{{appUrl}}":              "https://tenant.example.com/sense/app/" + destinationtest.AppID,
		"{{userName}} {{status}}": "Anna Berg error",
		"{{qlikSenseQMC}}":        "https://tenant.example.com/console",
	} {
		if got := shown(t, expression, fields); got != want {
			t.Errorf("%s: want %q, got %q", expression, want, got)
		}
	}
}

func TestTitleOf_anExpiredLicenceIsNotAboutToExpire(t *testing.T) {
	a := destinationtest.Complete(messages.LicenseExpiring)
	before := template.TitleOf(a)
	a.License.Expired = true
	if after := template.TitleOf(a); before != "Server licence about to expire" || after != "Server licence has expired" {
		t.Errorf("got %q, then %q", before, after)
	}
}

func TestKinds_everyAlertHasATitle(t *testing.T) {
	for _, kind := range messages.AllKinds() {
		if template.Title(kind) == "" || template.OutcomeOf(kind) == "" {
			t.Errorf("%s has no title or outcome", kind)
		}
	}
}

func TestFields_showTheScriptError(t *testing.T) {
	for name, row := range map[string]struct {
		log  []string
		want string
	}{
		"none":                     {[]string{"2026-05-06 14:20:59      LOAD sales", "2026-05-06 14:20:59      Errors are counted"}, ""},
		"with a blank in its time": {[]string{"2026-05-06 14:20:58      Error: first", "2026-05-06 14:20:59      Error: Field 'x' not found", "2026-05-06 14:20:59      Execution Failed"}, "Field 'x' not found"},
		"with a compact time":      {[]string{"20260506T142059.123+0200      Error: Field 'x' not found ", "20260506T142059.123+0200      General Script Error"}, "Field 'x' not found"},
		"in a text":                {[]string{"2026-05-06 14:20:59      TRACE no Error: here"}, ""},
		"too long":                 {[]string{"2026-05-06 14:20:59      Error: " + strings.Repeat("x", 1000)}, strings.Repeat("x", 500)},
	} {
		alert := destinationtest.Complete(messages.ReloadTaskFailed)
		alert.ScriptLog.Tail = row.log
		if got := fieldsOf(alert)["scriptError"]; got != row.want {
			t.Errorf("%s: want %q, got %q", name, row.want, got)
		}
	}
}

func TestFields_sayHowAnExecutionWent(t *testing.T) {
	alert := destinationtest.Complete(messages.ReloadTaskFailed)
	for took, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 139 * time.Second: "2 min 19 s", 2*time.Hour + 3*time.Second: "2 h 0 min 3 s", -time.Second: "0 s",
	} {
		alert.Execution.Duration = took
		if got := fieldsOf(alert)["executionDurationText"]; got != want {
			t.Errorf("%s: want %q, got %q", took, want, got)
		}
	}
	alert.Execution.Status = qlik.StatusFinishedFail
	if got := fieldsOf(alert)["executionResult"]; got != "Failed (FinishedFail, code 8)" {
		t.Errorf("got %q", got)
	}
	alert.Execution = messages.Execution{}
	if got := fieldsOf(alert); got["executionResult"] != "" || got["executionDurationText"] != "" || got["executionHistory"] != "" {
		t.Errorf("want nothing of an unknown execution, got %q, %q, %q", got["executionResult"], got["executionDurationText"], got["executionHistory"])
	}
}
