package cloud

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/secret"
	"butler/internal/sim/cloudsim"
	"butler/internal/sim/edge"
	"butler/messages"
)

const appID, token = "0f9a2d0c-6a2b-4a1b-8d0c-2f6a1b3c4d5e", "a-very-secret-token"

func tenant(t *testing.T) (*cloudsim.Server, *Client) {
	t.Helper()
	s := cloudsim.New(cloudsim.Options{Token: token})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.Add(
		cloudsim.App{ID: appID, Name: "Stock", Description: "All\x1b stock", OwnerID: "own-1", Tags: []string{"prod", "Butler alerts"}, Size: 7},
		cloudsim.User{ID: "own-1", Name: "Bo Ek", Email: "bo@example.com"},
		cloudsim.Reload{
			ID: "r-1", AppID: appID, UserID: "usr-1", Trigger: "chronos", ErrorCode: "E1", ErrorMessage: "bad\r\nline",
			Start: time.Date(2031, 5, 2, 8, 14, 0, 0, time.UTC), Took: 42 * time.Second, Log: "first\r\nlast",
		},
	)
	c, err := New(Options{URL: s.URL() + "/", Token: secret.String(token), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

// every asks everything, and returns the errors by question.
func every(ctx context.Context, c *Client) map[string]error {
	_, log := c.ScriptLog(ctx, appID, "r-1")
	_, record := c.Record(ctx, "r-1")
	_, app := c.App(ctx, appID)
	_, item := c.Item(ctx, appID)
	_, user := c.User(ctx, "own-1")
	return map[string]error{"script log": log, "record": record, "app": app, "item": item, "user": user}
}

func TestClient_learnsWhatTheTenantKnows(t *testing.T) {
	_, c := tenant(t)
	ctx := t.Context()
	log, err1 := c.ScriptLog(ctx, appID, "r-1")
	record, err2 := c.Record(ctx, "r-1")
	app, err3 := c.App(ctx, appID)
	item, err4 := c.Item(ctx, appID)
	user, err5 := c.User(ctx, "own-1")
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []any{
		"first\r\nlast",
		messages.CloudRecord{
			Trigger: "chronos", Status: "FAILED", ErrorCode: "E1", ErrorMessage: "bad\nline", Log: "bad\nline",
			Start: "2031-05-02T08:14:00.000Z", Stop: "2031-05-02T08:14:42.000Z", Duration: 42 * time.Second,
		},
		messages.CloudApp{Description: "All stock", Published: true, PublishTime: "2031-01-02T03:04:05.000Z"},
		messages.CloudItem{FileSize: 7, Tags: []string{"prod", "Butler alerts"}},
		messages.CloudUser{ID: "own-1", Name: "Bo Ek", Email: "bo@example.com", Picture: "https://pictures.example.com/own-1"},
	}
	if diff := cmp.Diff(want, []any{log, record, app, item, user}); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestClient_saysWhatAFailureMeans(t *testing.T) {
	for name, row := range map[string]struct {
		fault edge.Rule
		want  messages.FailureKind
		after time.Duration
	}{
		"wrong token":        {edge.Rule{Kind: edge.Status, Status: 401, Body: "no " + token}, messages.FailureRejected, 0},
		"no right":           {edge.Rule{Kind: edge.Status, Status: 403}, messages.FailureRejected, 0},
		"does not exist":     {edge.Rule{Kind: edge.Status, Status: 404}, messages.FailureNotFound, 0},
		"too many calls":     {edge.Rule{Kind: edge.Status, Status: 429, RetryAfter: 7 * time.Second}, messages.FailureBusy, 7 * time.Second},
		"too many, no delay": {edge.Rule{Kind: edge.Status, Status: 429}, messages.FailureBusy, time.Second},
		"out of order":       {edge.Rule{Kind: edge.Status, Status: 500}, messages.FailureUnavailable, 0},
		"broken connection":  {edge.Rule{Kind: edge.ResetBefore}, messages.FailureUnavailable, 0},
		"cut answer":         {edge.Rule{Kind: edge.Truncate}, messages.FailureUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := tenant(t)
			s.Faults().Set(row.fault)
			for what, err := range every(t.Context(), c) {
				if got := messages.FailureOf(err); got.Kind != row.want {
					t.Errorf("%s: want %v, got %v", what, row.want, got)
				}
				e, ok := errors.AsType[*Error](err)
				if !ok || e.RetryAfter() != row.after {
					t.Errorf("%s: wants to be left alone for %v", what, e.RetryAfter())
				}
				if strings.Contains(err.Error(), token) {
					t.Errorf("%s: the token is in the error: %v", what, err)
				}
			}
		})
	}
}

func TestClient_doesNotTakeNonsenseForAnAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		fault edge.Rule
		says  string
	}{
		"broken JSON":    {edge.Rule{Kind: edge.InvalidJSON}, "the answer is not JSON"},
		"a list":         {edge.Rule{Kind: edge.WrongShape, Body: `[]`}, "the answer has a JSON array where an object is wanted"},
		"too large":      {edge.Rule{Kind: edge.WrongShape, Body: `{"x":"` + strings.Repeat("x", maxDocument) + `"}`}, "bytes"},
		"a text instead": {edge.Rule{Kind: edge.WrongShape, Body: `"ok"`}, "the answer has a JSON string where an object is wanted"},
	} {
		s, c := tenant(t)
		s.Faults().Set(row.fault)
		for what, err := range every(t.Context(), c) {
			if got := messages.FailureOf(err); what != "script log" && (got.Kind != messages.FailureInvalid || !strings.HasSuffix(got.Text, row.says)) {
				t.Errorf("%s, %s: want %q, got %v", name, what, row.says, got)
			}
		}
	}
}

func TestClient_losesADetailOfAnotherTypeOnly(t *testing.T) {
	s, c := tenant(t)
	s.Faults().Set(edge.Rule{Kind: edge.WrongShape, Body: `{"type":"hub","errorCode":7,"errorMessage":null,"startTime":{},"endTime":"x"}`})
	got, err := c.Record(t.Context(), "r-1")
	if want := (messages.CloudRecord{Trigger: "hub", Stop: "x"}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestClient_endsWithItsContext(t *testing.T) {
	s, c := tenant(t)
	s.Faults().Set(edge.Rule{Kind: edge.Hang})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.App(ctx, appID); messages.FailureOf(err).Kind != messages.FailureTimeout {
		t.Errorf("got %v", err)
	}
}

func TestClient_anAppThatIsNotInTheCatalogueIsNotFound(t *testing.T) {
	s, c := tenant(t)
	s.Add(cloudsim.App{ID: appID, Unlisted: true})
	if _, err := c.Item(t.Context(), appID); messages.FailureOf(err).Kind != messages.FailureNotFound {
		t.Errorf("got %v", err)
	}
	const one = `{"resourceId":"` + appID + `","resourceSize":{"appFile":7}}`
	s.Faults().Set(edge.Rule{Kind: edge.WrongShape, Body: `{"data":[` + one + `,` + one + `]}`})
	if got, err := c.Item(t.Context(), appID); messages.FailureOf(err).Kind != messages.FailureNotFound {
		t.Errorf("listed twice: got %+v, %v", got, err)
	}
}

func TestClient_anAppIsTheSameInAnyLetterCase(t *testing.T) {
	s, c := tenant(t)
	s.Add(cloudsim.App{ID: appID, Size: 7})
	s.Faults().Set(edge.Rule{Kind: edge.WrongShape, Body: `{"data":[{"resourceId":"` + strings.ToUpper(appID) + `","resourceSize":{"appFile":7}}]}`})
	if got, err := c.Item(t.Context(), appID); err != nil || got.FileSize != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestClient_keepsAnIDWithinItsSegment(t *testing.T) {
	s, c := tenant(t)
	if _, err := c.User(t.Context(), "../apps/"+appID); err == nil {
		t.Error("an ID has led elsewhere")
	}
	for _, r := range s.Requests().All() {
		if strings.HasPrefix(r, "GET /api/v1/apps/"+appID+" 200") {
			t.Errorf("asked %s", r)
		}
	}
}

func TestClient_sendsTheTokenNowhereElse(t *testing.T) {
	var seen string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("Authorization") }))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer first.Close()
	c, err := New(Options{URL: first.URL, Token: secret.String(token)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.App(t.Context(), appID); err == nil || seen != "" {
		t.Errorf("got %v, and %q arrived elsewhere", err, seen)
	}
}

func TestClient_verifiesTheTenantsCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		ca string
		ok bool
	}{"known authority": {file, true}, "unknown authority": {"", false}} {
		c, err := New(Options{URL: server.URL, Token: secret.String(token), CAFile: row.ca})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.App(t.Context(), appID); (err == nil) != row.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew_wantsAnAddressThatKeepsTheToken(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://tenant.eu.qlikcloud.com": true, "https://tenant.eu.qlikcloud.com/": true, "http://127.0.0.1:8080": true,
		"http://tenant.eu.qlikcloud.com": false, "tenant.eu.qlikcloud.com": false, "": false, "ftp://x": false, "https://user:pw@x": false,
	} {
		if _, err := New(Options{URL: address}); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// A loop in a load script writes logs of any length, and the reason for a failure is at the end.
func TestScriptLog_keepsBothEndsOfALongOne(t *testing.T) {
	s, c := tenant(t)
	long := strings.Repeat("LOAD * FROM [lib://part.qvd] (qvd);\r\n", maxScriptLog/30)
	s.Add(cloudsim.Reload{ID: "r-2", AppID: appID, Log: "begun\r\n" + long + "Execution Failed"})
	got, err := c.ScriptLog(t.Context(), appID, "r-2")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) > maxScriptLog+100 || len(got) < maxScriptLog*9/10 {
		t.Errorf("want about %d bytes, got %d", maxScriptLog, len(got))
	}
	if !strings.HasPrefix(got, "begun\r\nLOAD") || !strings.HasSuffix(got, "(qvd);\r\nExecution Failed") || strings.Count(got, " bytes of this log are left out]\r\n") != 1 {
		t.Errorf("want the beginning, one gap and the end, got %.60q and %q", got, got[max(len(got)-100, 0):])
	}
}
