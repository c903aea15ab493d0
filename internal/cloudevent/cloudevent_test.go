package cloudevent

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

const sample = `{"cloudEventsVersion":"0.1","source":"com.qlik/engine","contentType":"application/json","eventId":"e-1",
 "eventTime":"2031-05-02T08:15:30Z","eventTypeVersion":"1.0.0","eventType":"com.qlik.v1.app.reload.finished",
 "extensions":{"ownerId":"own-1","tenantId":"ten-1","userId":"usr-1","topLevelResourceId":"0f9a2d0c-6a2b-4a1b-8d0c-2f6a1b3c4d5e"},
 "data":{"name":"Stock","status":"error","reloadId":"66aa00","duration":"PT42S","endedWithMemoryConstraint":false,
  "isPartialReload":true,"peakMemoryBytes":1048576,"rowLimit":-1,"statements":[],"size":{"memory":2048}}}`

func TestParse_readsAFailedReload(t *testing.T) {
	want := messages.CloudEvent{
		AppID: "0f9a2d0c-6a2b-4a1b-8d0c-2f6a1b3c4d5e", AppName: "Stock", OwnerID: "own-1",
		Reload: messages.CloudReload{
			TenantID: "ten-1", UserID: "usr-1", ReloadID: "66aa00", Source: "com.qlik/engine", EventType: Type, EventTypeVersion: "1.0.0",
			EventTime: "2031-05-02T08:15:30Z", Status: "error", UsageDuration: "PT42S", PartialReload: true,
			PeakMemoryBytes: 1 << 20, SizeMemoryBytes: 2048, RowLimit: -1,
		},
	}
	got, ignored, err := Parse([]byte(sample), "ten-1")
	if err != nil || ignored != "" {
		t.Fatalf("not taken: %q, %v", ignored, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// change returns the sample with the text old replaced.
func change(t *testing.T, old, with string) []byte {
	t.Helper()
	if !strings.Contains(sample, old) {
		t.Fatalf("the sample has no %s", old)
	}
	return []byte(strings.Replace(sample, old, with, 1))
}

func TestParse_ignoresWhatNeedsNoAttention(t *testing.T) {
	for name, payload := range map[string][]byte{
		"a reload that went well":  change(t, `"error"`, `"ok"`),
		"an unknown status":        change(t, `"error"`, `"perhaps"`),
		"another type of event":    change(t, "reload.finished", "created"),
		"an object of its own":     []byte(`{}`),
		"an event of another form": []byte(`{"eventType":"com.qlik.v1.group.created","source":{"a":1},"extensions":[],"data":["x"]}`),
		"a type that is no text":   []byte(`{"eventType":5}`),
	} {
		if _, ignored, err := Parse(payload, "ten-1"); ignored == "" || err != nil {
			t.Errorf("%s: ignored %q, error %v", name, ignored, err)
		}
	}
}

func TestParse_refusesWhatCouldBecomeAPathOrIsNotOfTheTenant(t *testing.T) {
	for name, payload := range map[string][]byte{
		"another tenant":                  change(t, "ten-1", "ten-2"),
		"no tenant":                       change(t, `"tenantId":"ten-1",`, ""),
		"a reload that climbs":            change(t, "66aa00", "../../etc"),
		"a reload with a line of its own": change(t, "66aa00", `66aa00\n`),
		"no reload":                       change(t, "66aa00", ""),
		"a very long reload":              change(t, "66aa00", strings.Repeat("a", 129)),
		"an app that is a path":           change(t, "0f9a2d0c-6a2b-4a1b-8d0c-2f6a1b3c4d5e", "a/../b"),
		"a time that is a path":           change(t, "2031-05-02T08:15:30Z", "../../x"),
		"a date without a time":           change(t, "2031-05-02T08:15:30Z", "2031-05-02"),
		"a number as the reload":          change(t, `"66aa00"`, `66`),
		"no JSON":                         []byte("reload failed"),
		"nothing":                         nil,
		"two documents":                   []byte(sample + sample),
		"too large":                       change(t, "Stock", strings.Repeat("x", MaxSize)),
	} {
		if event, ignored, err := Parse(payload, "ten-1"); err == nil {
			t.Errorf("%s: taken as %+v, ignored %q", name, event, ignored)
		}
	}
}

func TestParse_saysWhatIsOfTheWrongType(t *testing.T) {
	for want, payload := range map[string][]byte{
		"the event has a JSON number at data.reloadId where text is wanted":           change(t, `"66aa00"`, `66`),
		"the event has a JSON object at extensions.tenantId where text is wanted":     change(t, `"ten-1"`, `{}`),
		"the event has a JSON string at data where an object is wanted":               []byte(`{"eventType":"` + Type + `","data":"x"}`),
		"the event has a JSON array where an object is wanted":                        []byte(`[` + sample + `]`),
		"the event is not JSON: invalid character 'r' looking for beginning of value": []byte("reload failed"),
	} {
		if _, _, err := Parse(payload, "ten-1"); err == nil || err.Error() != want {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestParse_losesADetailRatherThanTheAlert(t *testing.T) {
	for name, payload := range map[string][]byte{
		"numbers that are none":   change(t, "1048576", `"much"`),
		"an endless number":       change(t, "1048576", `1e300`),
		"a size that is no size":  change(t, `{"memory":2048}`, `[1]`),
		"statements of any form":  change(t, "[]", `{"a":[1,{"b":"c\u0007"}]}`),
		"an owner that is a path": change(t, "own-1", "../users"),
		"a hostile name":          change(t, `"Stock"`, `"a\u202eb\r\nBcc: x"`),
		"a byte order mark":       append([]byte("\uFEFF"), sample...),
		"a number as the name":    change(t, `"Stock"`, `2031`),
		"a number as the version": change(t, `"1.0.0"`, `1`),
		"a source of any form":    change(t, `"com.qlik/engine"`, `{"a":["b\u0007"]}`),
		"an owner of any form":    change(t, `"own-1"`, `["own-1"]`),
		"a user of any form":      change(t, `"usr-1"`, `{}`),
		"an offset from UTC":      change(t, "08:15:30Z", "10:15:30+02:00"),
	} {
		event, ignored, err := Parse(payload, "ten-1")
		if err != nil || ignored != "" {
			t.Errorf("%s: ignored %q, error %v", name, ignored, err)
			continue
		}
		checkSane(t, event)
		if event.Reload.EventTime != "2031-05-02T08:15:30Z" {
			t.Errorf("%s: time %q", name, event.Reload.EventTime)
		}
	}
}

var safe = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// checkSane fails for an event with a part that could do harm later.
func checkSane(t *testing.T, e messages.CloudEvent) {
	t.Helper()
	for _, id := range []string{e.AppID, e.OwnerID, e.Reload.UserID, e.Reload.ReloadID} {
		if !safe.MatchString(id) || len(id) > 128 {
			t.Errorf("the ID %q is no ID", id)
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, e.Reload.EventTime); err != nil || len(e.Reload.EventTime) < 20 {
		t.Errorf("the time %q is none", e.Reload.EventTime)
	}
	for _, text := range []string{e.AppName, e.Reload.Source, e.Reload.Statements, e.Reload.UsageDuration, e.Reload.EventTypeVersion} {
		if !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxStatements || strings.ContainsAny(text, "\r\n\x00\x1b\u202e") {
			t.Errorf("the text %q is not sane", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"eventType":"com.qlik.v1.app.reload.finished","data":null,"extensions":[]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		event, ignored, err := Parse(payload, "ten-1")
		if err == nil && ignored == "" {
			checkSane(t, event)
		}
	})
}

func TestSigned_wantsTheHMACOfTheBody(t *testing.T) {
	const secret, body = "key", "The quick brown fox jumps over the lazy dog"
	const right = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
	for name, row := range map[string]struct {
		secret, signature string
		want              bool
	}{
		"right":              {secret, right, true},
		"in capital letters": {secret, strings.ToUpper(right), true},
		"with its algorithm": {secret, "sha256=" + right, true},
		"another secret":     {"kez", right, false},
		"cut":                {secret, right[:62], false},
		"none":               {secret, "", false},
		"no hexadecimal":     {secret, "zz", false},
		"no secret":          {"", right, false},
	} {
		if got := Signed(row.secret, []byte(body), row.signature); got != row.want {
			t.Errorf("%s: want %v, got %v", name, row.want, got)
		}
	}
}
