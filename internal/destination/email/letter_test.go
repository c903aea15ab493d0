package email

import (
	"fmt"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/secret"
	"butler/internal/template"
	"butler/messages"
)

// newTestSender returns a sender with changed settings, and its log.
func newTestSender(t *testing.T, change func(*Event, *destination.Deps)) (*sender, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	deps := destinationtest.Deps(t)
	deps.Log = zap.New(core)
	e := Event{Subject: "{{taskName}}", FromAddress: "Qlik Sense (no-reply) <butler@example.com>", Priority: "high"}
	change(&e, &deps)
	s, err := newSender(Config{SMTP: SMTP{Auth: Auth{Password: secret.String(password)}}}, destination.Use[Event]{Settings: e}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*sender), logs
}

func wireForm(t *testing.T, s *sender, a messages.Alert) string {
	t.Helper()
	l, _ := s.letter(destinationtest.NoticeOf(a, "email/x", "anna@example.com"))
	raw, err := l.encode(time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestLetter_headers(t *testing.T) {
	for priority, want := range map[string][]string{
		"high":   {"X-Priority: 1 (Highest)\r\n", "X-MSMail-Priority: High\r\n", "Importance: High\r\n"},
		"low":    {"X-Priority: 5 (Lowest)\r\n", "X-MSMail-Priority: Low\r\n", "Importance: Low\r\n"},
		"normal": nil,
	} {
		s, _ := newTestSender(t, func(e *Event, _ *destination.Deps) { e.Priority = priority })
		got := wireForm(t, s, destinationtest.Complete(messages.ReloadTaskFailed))
		want = append(want, "From: \"Qlik Sense\" <butler@example.com>\r\n", "To: <anna@example.com>\r\n", "MIME-Version: 1.0\r\n",
			"Date: Wed, 06 May 2026 00:00:00 +0000\r\n", "@example.com>\r\n")
		for _, line := range want {
			if !strings.Contains(got, line) {
				t.Errorf("%s: want %q in\n%.600s", priority, line, got)
			}
		}
		if priority == "normal" && (strings.Contains(got, "Priority") || strings.Contains(got, "Importance")) {
			t.Error("a normal mail has a priority header")
		}
	}
}

func TestLetter_isTheSameForARepeatedAttempt(t *testing.T) {
	s, _ := newTestSender(t, func(*Event, *destination.Deps) {})
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	first, second := wireForm(t, s, a), wireForm(t, s, a)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two attempts differ:\n%s", diff)
	}
}

func TestLetter_operatorsPageIsUsedAndMarked(t *testing.T) {
	var page string
	s, logs := newTestSender(t, func(e *Event, d *destination.Deps) {
		page = writePage(t, e, d, "<html><body class='x'><p>{{taskName}}</p></body></html>")
	})
	n := destinationtest.NoticeOf(destinationtest.Degraded(messages.ReloadTaskFailed), "email/x", "anna@example.com")
	l, from := s.letter(n)
	if from != page || logs.Len() > 0 {
		t.Errorf("want %s without a warning, got %s", page, from)
	}
	head, _, _ := strings.Cut(l.html, "<p>Reload of Sales</p>")
	if !strings.HasPrefix(head, "<html><body class='x'>\n<p style") || !strings.Contains(head, "Details are missing") {
		t.Errorf("want the note at the top of the page, got %s", l.html)
	}
}

// writePage makes a page the operator's own and returns where it is.
func writePage(t *testing.T, e *Event, d *destination.Deps, page string) string {
	t.Helper()
	e.BodyFileDirectory, e.HTMLTemplateFile = "pages", "failed-reload"
	path := filepath.Join(d.BaseDir, "pages", "failed-reload-qseow.handlebars")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLetter_brokenPageCostsTheLayoutOnly(t *testing.T) {
	var bad *int
	s, logs := newTestSender(t, func(e *Event, d *destination.Deps) {
		e.BodyFileDirectory, e.HTMLTemplateFile = "pages", "nowhere"
		bad = destinationtest.BadTemplates(d)
	})
	n := destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "email/x", "anna@example.com")
	for range 2 {
		l, from := s.letter(n)
		if !strings.Contains(l.html, "<h1") || !strings.HasPrefix(from, "built-in failed-reload-qseow, because template ") {
			t.Errorf("want the built-in page, got %s: %.200s", from, l.html)
		}
	}
	if logs.Len() != 1 || *bad != 2 {
		t.Errorf("want one warning and a count of 2 for two mails, got %d and %d", logs.Len(), *bad)
	}
	s.builtin = func(messages.AlertKind) string { return "nothing" }
	l, _ := s.letter(n)
	if !strings.HasPrefix(l.html, "<pre>Reload task failed") {
		t.Errorf("want plain text, got %.200s", l.html)
	}
}

func TestLetter_brokenSubjectIsReplacedAndCounted(t *testing.T) {
	var bad *int
	s, _ := newTestSender(t, func(e *Event, d *destination.Deps) {
		e.Subject = "{{shout taskName}}"
		bad = destinationtest.BadTemplates(d)
	})
	l, _ := s.letter(destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "email/x", "anna@example.com"))
	if l.subject != "Reload task failed: Reload of Sales" || *bad != 1 {
		t.Errorf("want a subject that says what happened, and a count of 1, got %q and %d", l.subject, *bad)
	}
}

// A subject is no HTML.
func TestLetter_subjectIsNotEscaped(t *testing.T) {
	s, _ := newTestSender(t, func(e *Event, _ *destination.Deps) { e.Subject = "Failed: {{taskName}}" })
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Event.TaskName = `O'Brien "A&B" <c>`
	l, _ := s.letter(destinationtest.NoticeOf(a, "email/x", "anna@example.com"))
	if want := `Failed: O'Brien "A&B" <c>`; l.subject != want {
		t.Errorf("want the subject %q, got %q", want, l.subject)
	}
}

// promised are the fields that the documentation promises for distribute and
// preload tasks. After a colon stand the fields of a list's items.
const promised = `hostName user taskName taskId appName appId logTimeStamp logLevel logMessage executionId taskTags
taskIsManuallyTriggered taskMaxRetries taskModifiedByUsername taskModifiedDate taskSessionTimeout taskNextExecution
taskCustomProperties:name taskCustomProperties:value executingNodeName executionStatusNum executionStatusText
executionDuration.hours executionDuration.minutes executionDuration.seconds executionDetailsConcatenated executionDetailsText
executionStartTime.startTimeUTC executionStartTime.startTimeLocal1 executionStartTime.startTimeLocal2
executionStartTime.startTimeLocal3 executionStartTime.startTimeLocal4 executionStartTime.startTimeLocal5
executionStopTime.stopTimeUTC executionStopTime.stopTimeLocal1 executionStopTime.stopTimeLocal2
executionStopTime.stopTimeLocal3 executionStopTime.stopTimeLocal4 executionStopTime.stopTimeLocal5
executionDetails:timestampUTC executionDetails:timestampLocal1 executionDetails:timestampLocal2 executionDetails:timestampLocal3
executionDetails:timestampLocal4 executionDetails:timestampLocal5 executionDetails:message executionDetails:detailsType
qlikSenseQMC qlikSenseHub genericUrls:id genericUrls:linkText genericUrls:comment genericUrls:url butlerVersion
emailRecipients.taskSpecific emailRecipients.common`

// Mails about distribute and preload tasks have every field that the
// documentation promises, whatever the outcome.
// A mail program decodes what looks like an encoded word, whoever wrote it.
func TestLetter_subjectShowsWhatTheTaskIsCalled(t *testing.T) {
	s, _ := newTestSender(t, func(*Event, *destination.Deps) {})
	for _, name := range []string{"=?utf-8?Q?Everything_is_fine=E2=80=AE?=", "a =?=?utf-8?b?T0s=?= b", "åäö =?utf-8?q?=0D=0ABcc:_x?="} {
		a := destinationtest.Complete(messages.ReloadTaskFailed)
		a.Event.TaskName = name
		m, err := mail.ReadMessage(strings.NewReader(wireForm(t, s, a)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || strings.ReplaceAll(got, "\u200b", "") != name {
			t.Errorf("want %q, got %q, %v", name, got, err)
		}
	}
}

func TestLetter_distributeAndPreloadFieldsAreFilled(t *testing.T) {
	var page strings.Builder
	for name := range strings.FieldsSeq(promised) {
		if list, field, isList := strings.Cut(name, ":"); isList {
			fmt.Fprintf(&page, "{{#each %s}}%s=[{{%s}}]\n{{else}}%s=[]\n{{/each}}", list, name, field, list)
			continue
		}
		fmt.Fprintf(&page, "%s=[{{%s}}]\n", name, name)
	}
	s, _ := newTestSender(t, func(e *Event, d *destination.Deps) {
		e.Recipients, e.AlertEnabledByEmailAddress.CustomPropertyName = []string{"ops@example.com"}, "Department"
		writePage(t, e, d, page.String())
	})
	for _, kind := range []messages.AlertKind{
		messages.DistributeTaskFailed, messages.DistributeTaskSucceeded, messages.PreloadTaskFailed, messages.PreloadTaskSucceeded,
	} {
		l, from := s.letter(destinationtest.NoticeOf(destinationtest.Complete(kind), "email/x", "ops@example.com"))
		if !strings.HasSuffix(from, ".handlebars") {
			t.Fatalf("%s: want the page of the test, got %s", kind, from)
		}
		for line := range strings.Lines(l.html) {
			if name, blank := strings.CutSuffix(strings.TrimSpace(line), "=[]"); blank {
				t.Errorf("%s: the field %s is blank", kind, name)
			}
		}
	}
}

// A reload of which nothing but the event is known makes a mail all the same.
func TestLetter_missingAppAndScriptLogLeaveBlanks(t *testing.T) {
	s, _ := newTestSender(t, func(*Event, *destination.Deps) {})
	for _, kind := range []messages.AlertKind{messages.ReloadTaskFailed, messages.CloudReloadFailed} {
		a := destinationtest.Complete(kind)
		a.App = messages.App{ID: a.App.ID}
		a.Owner, a.ScriptLog, a.Execution = messages.Owner{}, messages.ScriptLog{}, messages.Execution{}
		l, from := s.letter(destinationtest.NoticeOf(a, "email/x", "anna@example.com"))
		if !strings.HasPrefix(from, "built-in ") || !strings.Contains(l.html, destinationtest.AppID) {
			t.Errorf("%s: want the built-in page with what is known, got %s: %.200s", kind, from, l.html)
		}
		for _, absent := range []string{"script log", "App owner", "Duration"} {
			if strings.Contains(l.html, absent) {
				t.Errorf("%s: the page speaks of %q", kind, absent)
			}
		}
	}
}

// No alert goes out as plain text for lack of a page.
func TestLetter_everyKindHasAPage(t *testing.T) {
	s, logs := newTestSender(t, func(*Event, *destination.Deps) {})
	for _, sample := range destinationtest.Alerts() {
		l, from := s.letter(destinationtest.NoticeOf(sample.Alert, "email/x", "anna@example.com"))
		if !strings.HasPrefix(from, "built-in ") || !strings.Contains(l.html, ">"+template.TitleOf(sample.Alert)+"<") {
			t.Errorf("%s: want a built-in page with the title, got %s", sample.Name, from)
		}
	}
	if logs.Len() > 0 {
		t.Errorf("got the warning %s", logs.All()[0].Message)
	}
}

func TestLetter_keepsTheLastStepsOfALongHistory(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Execution.Details = nil
	for i := range 500 {
		a.Execution.Details = append(a.Execution.Details, messages.ExecutionDetail{
			Created: "2026-05-06T12:20:00.000Z", Message: fmt.Sprintf("<step %d> ", i) + strings.Repeat("&", 2000),
		})
	}
	s, _ := newTestSender(t, func(*Event, *destination.Deps) {})
	m, from := s.letter(destinationtest.NoticeOf(a, "email/x", "anna@example.com"))
	if from != "built-in failed-reload-qseow" {
		t.Errorf("want the built-in page, got %s", from)
	}
	for part, text := range map[string]string{"page": m.html, "plain text": m.plain} {
		if !strings.Contains(text, "step 499") || strings.Contains(text, "step 0&") || strings.Contains(text, "step 0>") {
			t.Errorf("%s: want the end of the history without its beginning", part)
		}
	}
}

func TestLetter_senderIsReadAsOtherMailersReadIt(t *testing.T) {
	const by = " <butler@example.com>"
	for written, want := range map[string]string{
		"butler@example.com":            "<butler@example.com>",
		"Qlik Sense" + by:               `"Qlik Sense"` + by,
		"Qlik Sense [PROD]" + by:        `"Qlik Sense [PROD]"` + by,
		"Qlik Sense: alerts (bot)" + by: `"Qlik Sense: alerts"` + by,
		"Qlik Sense, prod" + by:         `"Qlik Sense, prod"` + by,
		"Butler @ Kalmar" + by:          `"Butler @ Kalmar"` + by,
		"Larm [Ö]" + by:                 "=?utf-8?b?TGFybSBbw5Zd?=" + by,
	} {
		s, _ := newTestSender(t, func(e *Event, _ *destination.Deps) { e.FromAddress = written })
		got := wireForm(t, s, destinationtest.Complete(messages.ReloadTaskFailed))
		if want = "From: " + want + "\r\n"; !strings.Contains(got, want) {
			t.Errorf("%s: want %q in\n%s", written, want, got)
		}
		if problems := checkUse(Config{}, destination.Use[Event]{Settings: Event{FromAddress: written}}, destinationtest.Deps(t)); slices.ContainsFunc(problems, func(p destination.Problem) bool { return p.Path == "fromAddress" }) {
			t.Errorf("%s: want no problem, got %v", written, problems)
		}
	}
	for _, written := range []string{"", "nobody", "Qlik [PROD] <nobody>", "Qlik [PROD]\r\nBcc: <eve@example.com>", "Qlik <a@example.com> [PROD] <b@example.com>", "Qlik [PROD] butler@example.com"} {
		if got, err := senderOf(written); err == nil {
			t.Errorf("%q: want an error, got %v", written, got)
		}
	}
}
