package qrs_test

import (
	"strings"
	"testing"

	"butler/internal/qlik"
	"butler/internal/qlik/identity"
	"butler/internal/qlik/qliktest"
	"butler/internal/qlik/qrs"
	"butler/internal/qlik/scriptlog"
	"butler/messages"
)

// The bar for one event with its metadata cached: at most four requests, and no TLS handshake.
func TestClient_anEventCostsThreeRequestsAndNoHandshake(t *testing.T) {
	const (
		taskID   = "11111111-aaaa-4bbb-8ccc-000000000001"
		resultID = "11111111-aaaa-4bbb-8ccc-000000000002"
		fileID   = "11111111-aaaa-4bbb-8ccc-000000000003"
	)
	authority := qliktest.NewAuthority(t)
	server := qliktest.NewServer(t, authority, func(r qliktest.Request) qliktest.Response {
		switch {
		case r.Path == "task":
			return qliktest.Response{Body: "[]"}
		case r.Path == "reloadtask/"+taskID:
			return qliktest.Response{Body: `{"id":"` + taskID + `","operational":{"lastExecutionResult":{"id":"` + resultID + `","fileReferenceID":"` + fileID + `"}}}`}
		case strings.HasSuffix(r.Path, "/scriptlog"):
			return qliktest.Response{Body: `{"value":"ticket"}`}
		case strings.HasPrefix(r.Path, "download/"):
			return qliktest.Response{Body: "\uFEFFone\r\ntwo\r\n"}
		}
		return qliktest.Response{Status: 404}
	})
	client, err := qrs.New(qrs.Options{
		BaseURL: server.URL, CAPEM: authority.CA, CertPEM: authority.Cert, KeyPEM: authority.Key,
		Headers: identity.Headers{{Name: "X-Qlik-User", Value: "UserDirectory=Internal; UserId=sa_repository"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := server.Handshakes()
	fetcher := scriptlog.New(scriptlog.Options{Source: client})
	for range 3 {
		execution, log, err := fetcher.ScriptLog(t.Context(), qlik.LogFetch{TaskID: taskID, Attempt: 1}, messages.Execution{})
		if err != nil || execution.ResultID != resultID || log.Rows != 2 || log.Head[0] != "one" {
			t.Fatalf("script log: %+v, %+v, %v", execution, log, err)
		}
	}
	if got := server.Handshakes() - before; got != 0 {
		t.Errorf("three events cost %d handshakes, want none", got)
	}
	if got := len(server.Requests()) - 1; got != 9 {
		t.Errorf("three events cost %d requests, want 9", got)
	}
}
