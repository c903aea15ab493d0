package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// outside is Slack and New Relic. It keeps what it was sent.
type outside struct {
	got []string
	err error
}

func (o *outside) Post(_ context.Context, m SlackMessage) error {
	o.got = append(o.got, fmt.Sprintf("%q", m))
	return o.err
}

func (o *outside) Event(_ context.Context, e NewRelicEvent) error {
	o.got = append(o.got, fmt.Sprint(e))
	return o.err
}

func (o *outside) Metric(_ context.Context, m NewRelicMetric) error {
	o.got = append(o.got, fmt.Sprint(m))
	return o.err
}

// at is the clock of these tests.
func at() time.Time { return time.UnixMilli(1_900_000_000_000) }

func (o *outside) contract(t *testing.T) *contract {
	t.Helper()
	return newContract(t, func(r *Options) { r.Slack, r.NewRelic, r.Now = o, o, at })
}

func TestContract_messages(t *testing.T) {
	const slack, event, metric = "/v4/slackpostmessage", "/v4/newrelic/event", "/v4/newrelic/metric"
	tooLong, many := strings.Repeat("x", maxPostName+1), strings.Repeat(`{"name":"a","value":"b"},`, maxAttributes)
	for _, row := range []struct {
		request
		sent string
	}{
		{request{name: "slack", method: "PUT", target: slack, body: `{"channel":"#etl","from_user":"ETL bot","msg":"Load *finished*","emoji":":gear:"}`, want: 201, answer: `{"channel":"#etl","from_user":"ETL bot","msg":"Load *finished*","emoji":":gear:"}`}, `{"#etl" "ETL bot" "Load *finished*" ":gear:"}`},
		{request{name: "slack as load scripts do", method: "POST", header: http.Header{"X-Http-Method-Override": {"PUT"}}, target: slack, body: `{"channel":"@anna","from_user":"bot","msg":"5","emoji":""}`, want: 201}, `{"@anna" "bot" "5" ""}`},
		{request{name: "slack with numbers", method: "PUT", target: slack, body: `{"channel":1,"from_user":true,"msg":2.5}`, want: 201}, `{"1" "true" "2.5" ""}`},
		{request{name: "slack without a message", method: "PUT", target: slack, body: `{"channel":"#etl","from_user":"bot"}`, want: 400}, ""},
		{request{name: "slack with nothing to say", method: "PUT", target: slack, body: `{"channel":"#etl","from_user":"bot","msg":""}`, want: 400}, ""},
		{request{name: "slack without a sender", method: "PUT", target: slack, body: `{"channel":"#etl","msg":"m"}`, want: 400}, ""},
		{request{name: "slack without a channel", method: "PUT", target: slack, body: `{"from_user":"b","msg":"m"}`, want: 400}, ""},
		{request{name: "slack to a long channel", method: "PUT", target: slack, body: `{"channel":"` + tooLong + `","from_user":"b","msg":"m"}`, want: 400}, ""},
		{request{name: "slack of an object", method: "PUT", target: slack, body: `{"channel":"c","from_user":"b","msg":{}}`, want: 400}, ""},
		{request{name: "slack of a form", method: "PUT", target: slack, body: `a=b`, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, want: 415}, ""},
		{request{name: "event", method: "POST", target: event, body: `{"eventType":"reloadDone","timestamp":1700000000000,"attributes":[{"name":"app","value":"Stock"},{"name":"rows","value":7}]}`, want: 202}, "{reloadDone 1700000000000 map[app:Stock rows:7]}"},
		{request{name: "event of now", method: "POST", target: event, body: `{"eventType":"done","timestamp":"0"}`, want: 202}, "{done 1900000000000 map[]}"},
		{request{name: "event with one attribute", method: "POST", target: event, body: `{"eventType":"done","attributes":{"name":"a","value":true}}`, want: 202}, "{done 1900000000000 map[a:true]}"},
		{request{name: "event without a type", method: "POST", target: event, body: `{}`, want: 400}, ""},
		{request{name: "event with a long type", method: "POST", target: event, body: `{"eventType":"` + tooLong + `"}`, want: 400}, ""},
		{request{name: "event with an odd time", method: "POST", target: event, body: `{"eventType":"done","timestamp":"today"}`, want: 400}, ""},
		{request{name: "event of the far future", method: "POST", target: event, body: `{"eventType":"done","timestamp":1e300}`, want: 400}, ""},
		{request{name: "event with odd attributes", method: "POST", target: event, body: `{"eventType":"done","attributes":["a"]}`, want: 400}, ""},
		{request{name: "event with an attribute without value", method: "POST", target: event, body: `{"eventType":"done","attributes":[{"name":"a"}]}`, want: 400}, ""},
		{request{name: "event with an attribute that is an object", method: "POST", target: event, body: `{"eventType":"done","attributes":[{"name":"a","value":{}}]}`, want: 400}, ""},
		{request{name: "event with a long value", method: "POST", target: event, body: `{"eventType":"done","attributes":[{"name":"a","value":"` + strings.Repeat("x", maxPostValue+1) + `"}]}`, want: 400}, ""},
		{request{name: "event with too many attributes", method: "POST", target: event, body: `{"eventType":"done","attributes":[` + many + `{"name":"a","value":"b"}]}`, want: 400}, ""},
		{request{name: "metric with an endless attribute", method: "POST", target: metric, body: `{"name":"rows","type":"gauge","value":"12.5","interval":1000,"attributes":[{"name":"rate","value":1e400}]}`, want: 400}, ""},
		{request{name: "metric as text", method: "POST", target: metric, body: `{"name":"rows","type":"gauge","value":"12.5","interval":1000}`, want: 202}, "{rows 12.5 1900000000000 map[]}"},
		{request{name: "metric without a value", method: "POST", target: metric, body: `{"name":"rows","type":"gauge"}`, want: 400}, ""},
		{request{name: "metric of another type", method: "POST", target: metric, body: `{"name":"rows","type":"count","value":1}`, want: 400}, ""},
		{request{name: "metric without a name", method: "POST", target: metric, body: `{"type":"gauge","value":1}`, want: 400}, ""},
		{request{name: "metric with an odd interval", method: "POST", target: metric, body: `{"name":"rows","type":"gauge","value":1,"interval":"x"}`, want: 400}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := &outside{}
			body := o.contract(t).call(row.target, row.request)
			if got := strings.Join(o.got, ""); got != row.sent {
				t.Errorf("want %q sent, got %q", row.sent, got)
			}
			if row.want == 202 && string(body) != "Accepted" {
				t.Errorf("want the reason phrase, got %s", body)
			}
		})
	}
}

func TestContract_messagesThatDoNotArrive(t *testing.T) {
	o := &outside{err: errors.New("1 of 2 accounts did not accept it: ops: it answered 403 Forbidden")}
	c := o.contract(t)
	for target, r := range map[string]request{
		"/v4/slackpostmessage": {name: "slack", method: "PUT", body: `{"channel":"c","from_user":"b","msg":"m"}`},
		"/v4/newrelic/event":   {name: "event", method: "POST", body: `{"eventType":"done"}`},
		"/v4/newrelic/metric":  {name: "metric", method: "POST", body: `{"name":"rows","type":"gauge","value":1}`},
	} {
		r.target, r.want = target, 500
		if body := string(c.call(target, r)); !strings.Contains(body, "1 of 2 accounts") {
			t.Errorf("%s: want to be told why, got %s", r.name, body)
		}
	}
}
