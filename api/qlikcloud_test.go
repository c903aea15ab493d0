package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"butler/internal/cloudevent"
	"butler/messages"
)

// cloudGate takes what it is told to.
type cloudGate struct {
	outcome messages.CloudOutcome
	why     string
	err     error
	got     []string
}

func (g *cloudGate) Accept(_ context.Context, event []byte, signature, source string) (messages.CloudOutcome, string, error) {
	g.got = []string{string(event), signature, source}
	return g.outcome, g.why, g.err
}

func TestContract_cloudEvents(t *testing.T) {
	const path = "/v4/qlikcloud/event"
	for _, row := range []struct {
		request
		gate cloudGate
	}{
		{request{name: "accepted", want: 202, answer: `{"outcome":"accepted"}`}, cloudGate{outcome: messages.CloudAccepted}},
		{request{name: "known", want: 202, answer: `{"outcome":"duplicate"}`}, cloudGate{outcome: messages.CloudDuplicate}},
		{request{name: "no failure", want: 202, answer: `{"outcome":"ignored","reason":"it went well"}`}, cloudGate{outcome: messages.CloudIgnored, why: "it went well"}},
		{request{name: "another tenant", want: 400}, cloudGate{outcome: messages.CloudRefused, why: "another tenant"}},
		{request{name: "disk full", want: 503}, cloudGate{outcome: messages.CloudBusy, why: "disk full"}},
		{request{name: "wrong signature", want: 401}, cloudGate{err: NewProblem(401, "not signed")}},
		{request{name: "too large", want: 413, body: strings.Repeat(" ", cloudevent.MaxSize+1)}, cloudGate{}},
	} {
		gate := row.gate
		c := newContract(t, func(o *Options) { o.CloudEvents = &gate })
		r := row.request
		r.method, r.target, r.header = http.MethodPost, path, http.Header{cloudevent.Signature: {"abc"}}
		if r.body == "" {
			r.body = `{"eventType":"x"}`
		}
		c.call(path, r)
		if r.want != 413 && (len(gate.got) != 3 || gate.got[0] != r.body || gate.got[1] != "abc" || gate.got[2] != "127.0.0.1") {
			t.Errorf("%s: passed on %q", row.name, gate.got)
		}
	}
}
