package api

import (
	"context"
	"net/http"
	"testing"

	"go.uber.org/zap/zapcore"
)

// removals are file operations that remove whatever they are told.
type removals struct{ Files }

func (removals) DeleteFile(context.Context, string) error { return nil }

// However a caller writes a value, the log says what the call was about.
func TestAudit_namesWhatACallWasAbout(t *testing.T) {
	for name, row := range map[string]struct{ body, want string }{
		"text":                {`{"deleteFile":"/data/a.qvd"}`, "/data/a.qvd"},
		"a list of one":       {`{"deleteFile":["/data/a.qvd"]}`, "/data/a.qvd"},
		"a number":            {`{"deleteFile":7}`, "7"},
		"nothing of the kind": {`{"deleteFile":{"path":"/data/a.qvd"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContract(t, func(o *Options) { o.Files = removals{} })
			want := http.StatusNoContent
			if row.want == "" {
				want = http.StatusBadRequest
			}
			c.call("/v4/filedelete", request{name: name, method: "DELETE", target: "/v4/filedelete", body: row.body, want: want})
			lines := c.logs.FilterLoggerName("audit").All()
			if len(lines) != 1 {
				t.Fatalf("want one line, got %v", lines)
			}
			if got, _ := lines[0].ContextMap()["deleteFile"].(string); got != row.want {
				t.Errorf("want %q in the log, got %q", row.want, got)
			}
		})
	}
}

// Who tries what he may not is told, and with a change where changes are told.
func TestAudit_tellsWhoWasRefused(t *testing.T) {
	for name, row := range map[string]struct {
		method, path, target, key, caller, credential, logger string
		want                                                  int
	}{
		"a change without the scope":    {"DELETE", "/v4/filedelete", "/v4/filedelete", "reader", "reader", "", "audit", 403},
		"a change by nobody known":      {"DELETE", "/v4/filedelete", "/v4/filedelete", "", "", "", "audit", 401},
		"a change with a key of before": {"DELETE", "/v4/filedelete", "/v4/filedelete", "revoked", "", "key 17", "audit", 401},
		"a question without the scope":  {"GET", "/v4/keylist/{namespace}", "/v4/keylist/etl", "reader", "reader", "", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContract(t, func(o *Options) { o.Access = known })
			c.call(row.path, request{name: name, method: row.method, target: row.target, header: withKey(row.key), want: row.want})
			lines := c.logs.FilterMessage("call refused").FilterLevelExact(zapcore.WarnLevel).All()
			if len(lines) != 1 || lines[0].LoggerName != row.logger {
				t.Fatalf("want one line in the log %q, got %v", row.logger, lines)
			}
			if line := lines[0].ContextMap(); line["caller"] != row.caller || line["credential"] != row.credential || line["route"] != row.method+" "+row.path || line["reason"] == "" {
				t.Errorf("want who tried what, got %v", line)
			}
		})
	}
}
