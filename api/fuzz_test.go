package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/web"
	"butler/internal/starttask"
	"butler/internal/trail"
)

// site is everything behind an API that is complete, and what was done in it.
type site struct {
	cluster cluster
	stage   stage
	disk    disk
}

// listen returns an API in which everything is enabled and works, for callers that access knows.
func (s *site) listen(f *testing.F, access Access) *web.Server {
	f.Helper()
	starts := starttask.Options{
		Repository: &s.cluster, KeyValues: newStore(),
		Limits: starttask.Limits{MaxConcurrent: 1, MaxWait: time.Millisecond, PollEvery: time.Millisecond},
	}
	server, err := Listen(Options{
		Address: "127.0.0.1:0", Log: zap.NewNop(), Audit: zap.NewNop(), Endpoints: allEndpoints(), Version: "1.2.3", Access: access,
		KeyValues: newStore(), Files: &s.disk, Schedules: &scheduler{}, MQTT: &airwaves{}, UDPQueue: gauge{}, Slack: &outside{}, NewRelic: &outside{},
		CloudEvents: &cloudGate{}, Starter: starttask.New(starts), Apps: &s.stage, Explainer: teller{story: trail.Story{State: trail.Delivered, TaskName: "Daily"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Shutdown(context.Background()) })
	return server
}

// done counts what calls have done outside the API.
func (s *site) done() int { return len(s.cluster.starts) + len(s.stage.reloads) + len(s.disk.done) }

// FuzzREST makes any call of an API in which everything is enabled and works, as
// somebody of whom it asks nothing, with a key that is bound to tags, and without the
// key that is asked for: whatever is sent, the answer is complete, is no fault of ours,
// and cannot bring headers of its own; and who has no key does nothing.
func FuzzREST(f *testing.F) {
	open, guarded := &site{stage: stage{dump: aDump}}, &site{stage: stage{dump: aDump}}
	anybody, keyed := open.listen(f, nil), guarded.listen(f, startKeys)
	for _, seed := range [][4]string{
		{"GET", "/v4/keyvalues/etl?key=run&key=walk", "", ""},
		{"POST", "/v4/keyvalues/a%2Fb%0d%0aSet-Cookie:x", "application/json", `{"key":["k"],"value":null,"ttl":"1e309"}`},
		{"DELETE", "/v4/keyvalues/%ff/%00", "", ""},
		{"PUT", "/v4/filecopy", "application/json", `{"fromFile":"../../etc/passwd\u0000","toFile":"//?/C:","overwrite":"yes"}`},
		{"POST", "/v4/schedules", "application/json;charset=utf-7", `{"name":"n","cronSchedule":"*/0 * * * *","timezone":"../UTC","qlikSenseTaskId":"x","startupState":"started","tags":[[]]}`},
		{"GET", "/v4/schedules?runs=-9223372036854775808", "", ""},
		{"GET", "/v4/base62tobase16?base62=" + strings.Repeat("Z", 99), "", ""},
		{"GET", "/v4/base16tobase62?base16=0x", "", ""},
		{"PUT", "/v4/mqttpublishmessage", "application/json", `{"topic":"a/#","message":{}}`},
		{"POST", "/v4/newrelic/event", "application/json", `{"eventType":"a","attributes":[{"name":"","value":{}}]}`},
		{"POST", "/v4/newrelic/metric", "application/json", `{"name":"n","type":"gauge","value":"NaN","interval":-1}`},
		{"PUT", "/v4/slackpostmessage", "application/json", `{"channel":"#x","msg":"\u202e"}`},
		{"POST", "/v4/qlikcloud/event", "application/json", `{"eventType":"com.qlik.v1.app.reload.finished"}`},
		{"DELETE", "/v4/filedelete", "application/json", "{}{}"},
		{"POST", "/v4/createdirqvd", "text/plain", "\xff"},
		{"PUT", "/v4/reloadtask/" + hrTask + "/start?wait=1&dryRun=false", "", ""},
		{"PUT", "/v4/reloadtask/start", "application/json", `{"taskId":["` + hrTask + `"],"tag":["nightly' or 1 eq 1"],"customProperty":[{"name":"team","value":"sales"}],"wait":1e308}`},
		{"POST", "/v4/reloadtask/-/start", "application/json", `[{"type":"starttasktag","payload":{"tag":"hr"}},{"type":"keyvaluestore","payload":{"namespace":"etl","key":"k","ttl":-1}}]`},
		{"GET", "/v4/apps/list", "", ""},
		{"GET", "/v4/app/" + theApp + "/dump", "", ""},
		{"PUT", "/v4/app/a%2F..%2Fb/reload", "application/json", `{"reloadMode":2,"startQSEoWTaskOnSuccess":["` + salesTask + `"]}`},
		{"GET", "/v4/executions/event%2F7%2F0", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, target, media, body string) {
		if strings.HasSuffix(strings.Split(target, "?")[0], "/watch") {
			return // goes on until somebody ends it
		}
		wantSound(t, answerTo(anybody, "", method, target, media, body))
		wantSound(t, answerTo(keyed, "hr", method, target, media, body))
		before := guarded.done()
		wantSound(t, answerTo(keyed, "", method, target, media, body))
		if after := guarded.done(); after != before {
			t.Errorf("want nothing done for a caller without a key, got %d things", after-before)
		}
	})
}

// afar is a connection that comes from another machine.
type afar struct{ net.Conn }

func (afar) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }

// answerTo makes one call, with a key or without.
func answerTo(server *web.Server, key, method, target, media, body string) *fasthttp.Response {
	var request fasthttp.Request
	request.Header.SetMethod(method)
	request.Header.SetContentType(media)
	if key != "" {
		request.Header.Set(keyHeader, key)
	}
	request.SetRequestURI(target)
	request.SetBodyString(body)
	var ctx fasthttp.RequestCtx
	ours, theirs := net.Pipe()
	defer theirs.Close()
	ctx.Init2(afar{ours}, zap.NewStdLog(zap.NewNop()), true)
	request.CopyTo(&ctx.Request)
	server.Handle(&ctx)
	return &ctx.Response
}

// wantSound fails for an answer that is a fault of ours, incomplete, or has headers of its caller.
func wantSound(t *testing.T, answer *fasthttp.Response) {
	t.Helper()
	status := answer.StatusCode()
	if status == http.StatusInternalServerError {
		t.Fatalf("status %d: %s", status, answer.Body())
	}
	if text := answer.Body(); status >= 400 && bytes.HasPrefix(answer.Header.ContentType(), []byte("application/json")) {
		var told web.Problem
		if err := json.Unmarshal(text, &told); err != nil || told.StatusCode != status || told.Message == "" {
			t.Errorf("status %d with %s", status, text)
		}
	}
	for name, value := range answer.Header.All() {
		if bytes.ContainsAny(name, "\r\n:") || bytes.ContainsAny(value, "\r\n\x00") {
			t.Errorf("header %q: %q", name, value)
		}
	}
}
