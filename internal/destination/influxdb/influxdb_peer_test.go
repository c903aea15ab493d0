//go:build peers

package influxdb

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/peertest"
	"butler/internal/text"
	"butler/messages"
)

// These tests write to real servers: Debian's packages influxdb (1.6) and
// victoria-metrics. Each test starts its own on free ports and stops it.

// recent returns the alerts of every stored kind, a second apart and some
// minutes old: the servers drop what is older than their retention.
func recent(form func(messages.AlertKind) messages.Alert, minutes int) []messages.Alert {
	at := time.Now().Add(-time.Duration(minutes) * time.Minute).Truncate(time.Second)
	var out []messages.Alert
	for i, r := range rules {
		a := form(r.kind)
		a.Event.At = at.Add(time.Duration(i) * time.Second)
		out = append(out, a)
	}
	return out
}

// storeAll delivers alerts to the instances of their kinds.
func storeAll(t *testing.T, built map[string]destination.Built, alerts []messages.Alert) {
	t.Helper()
	for _, a := range alerts {
		b, ok := built[string(a.Kind)]
		if !ok {
			b = built["routes/aborted"] // only routes can store this kind
		}
		n := destinationtest.NoticeOf(a, b.Instance.Name, "")
		for _, err := range b.Destination.(destination.BatchDeliverer).DeliverBatch(t.Context(), []messages.Notice{n, n}) {
			if err != nil {
				t.Fatalf("%s: %v", a.Kind, err)
			}
		}
	}
}

func TestRealInfluxDB16_storesEveryMeasurement(t *testing.T) {
	address := peertest.InfluxDB(t)
	settings := strings.Replace(sampleConfig(1)("http://"+address), "enable: true, username", "enable: false, username", 1)
	built := buildAll(t, settings)
	seesOnTheWay(t, built, "the database is created before the first point")

	for i, form := range []func(messages.AlertKind) messages.Alert{
		destinationtest.Complete, destinationtest.Degraded, destinationtest.Hostile, destinationtest.Overlong,
	} {
		t.Run(string(destinationtest.Forms()[i]), func(t *testing.T) {
			alerts := recent(form, 10*(i+1))
			storeAll(t, built, alerts)
			for i, r := range rules {
				got := influxRow(t, address, r.measurement, timestamp(alerts[i].Event.At, alerts[i].Event.ExecutionID))
				if want := cleanName(alerts[i].Event.TaskName); got["task_name"] != want {
					t.Errorf("%s: task_name is %q, want %q", r.measurement, got["task_name"], want)
				}
				if want := text.FirstBytes(valid(alerts[i].Event.LogMessage), maxField); got["log_message"] != want {
					t.Errorf("%s: log_message is %.200q, want %.200q", r.measurement, got["log_message"], want)
				}
			}
		})
	}
	seesOnTheWay(t, built, "accepts points")
	t.Run("retention policy", func(t *testing.T) {
		policies := peertest.Get(t, "http://"+address+"/query?q="+url.QueryEscape(`show retention policies on "butler"`))
		if !strings.Contains(policies, `["10d","240h0m0s","24h0m0s",1,true]`) {
			t.Errorf("want the policy 10d as the default, got %s", policies)
		}
	})
	t.Run("one task in one moment", func(t *testing.T) { keepsExecutionsOfOneMoment(t, address, built) })
	t.Run("refused point", func(t *testing.T) { refusesOnlyTheBadPoint(t, address, built) })
}

// seesOnTheWay checks the result of the probe.
func seesOnTheWay(t *testing.T, built map[string]destination.Built, want string) {
	t.Helper()
	seen, err := built[string(messages.ReloadTaskFailed)].Destination.(destination.Prober).Probe().Run(t.Context())
	if err != nil || !strings.Contains(seen.Detail, want) {
		t.Errorf("a look at the server: want %q, got %+v, %v", want, seen, err)
	}
}

// keepsExecutionsOfOneMoment stores two failures of one task that were received
// in the same microsecond, each of them twice: two points must be left.
func keepsExecutionsOfOneMoment(t *testing.T, address string, built map[string]destination.Built) {
	t.Helper()
	b := built[string(messages.ReloadTaskFailed)]
	var notices []messages.Notice
	want := map[any]bool{}
	at := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	for _, a := range failures(2) {
		a.Event.At = at
		want[a.Event.ExecutionID] = true
		n := destinationtest.NoticeOf(a, b.Instance.Name, "")
		notices = append(notices, n, n)
	}
	for _, err := range b.Destination.(destination.BatchDeliverer).DeliverBatch(t.Context(), notices) {
		if err != nil {
			t.Fatal(err)
		}
	}
	rows := influxRows(t, address, fmt.Sprintf("select * from reload_task_failed where time >= %d and time < %d", at.UnixNano(), at.Add(time.Microsecond).UnixNano()))
	got := map[any]bool{}
	for _, row := range rows {
		got[row["execution_id"]] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(rows) != len(want) {
		t.Errorf("%d points of these executions (-want +got):\n%s", len(rows), diff)
	}
}

// influxRow returns the row of a measurement at a moment; there must be exactly one.
func influxRow(t *testing.T, address, measurement string, at time.Time) map[string]any {
	t.Helper()
	rows := influxRows(t, address, fmt.Sprintf(`select * from %q where time = %d`, measurement, at.UnixNano()))
	if len(rows) != 1 {
		t.Fatalf("%s: want one row, got %d", measurement, len(rows))
	}
	return rows[0]
}

// influxRows returns the rows of a query, none or those of one measurement.
func influxRows(t *testing.T, address, query string) []map[string]any {
	t.Helper()
	body := peertest.Get(t, "http://"+address+"/query?db=butler&q="+url.QueryEscape(query))
	var answer struct {
		Results []struct {
			Series []struct {
				Columns []string
				Values  [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if len(answer.Results) != 1 || len(answer.Results[0].Series) > 1 {
		t.Fatalf("%s: want one series at most, got %.500s", query, body)
	}
	var rows []map[string]any
	for _, series := range answer.Results[0].Series {
		for _, values := range series.Values {
			row := map[string]any{}
			for i, column := range series.Columns {
				row[column] = values[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// refusesOnlyTheBadPoint first writes a field with another type, so that the server refuses
// a later point.
func refusesOnlyTheBadPoint(t *testing.T, address string, built map[string]destination.Built) {
	t.Helper()
	resp, err := http.Post("http://"+address+"/write?db=butler", "text/plain", strings.NewReader("user_sync_task_failed,host=conflict log_message=1i "+fmt.Sprint(time.Now().Add(-48*time.Hour).UnixNano())))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	b := built[string(messages.UserSyncTaskFailed)]
	var notices []messages.Notice
	for i := range 9 {
		a := destinationtest.Complete(messages.UserSyncTaskFailed)
		a.Event.At = time.Now().Add(-2 * time.Hour).Add(time.Duration(i) * time.Second)
		if i == 4 {
			// In the same shard as the point with an integer field.
			a.Event.At = time.Now().Add(-48 * time.Hour)
		}
		notices = append(notices, destinationtest.NoticeOf(a, b.Instance.Name, ""))
	}
	for i, err := range b.Destination.(destination.BatchDeliverer).DeliverBatch(t.Context(), notices) {
		kind, _ := destination.KindOf(err)
		if bad := i == 4; bad != (err != nil) || bad && kind != destination.PermanentKind {
			t.Errorf("notice %d: %v", i, err)
		}
	}
}

func TestRealVictoriaMetrics_takesTheVersion2API(t *testing.T) {
	address := peertest.Address(t)
	peertest.Start(t, "http://"+address+"/health", "victoria-metrics",
		"-httpListenAddr="+address, "-storageDataPath="+t.TempDir(), "-retentionPeriod=1", "-search.latencyOffset=0s", "-influx.maxLineSize=1MB")
	// This server ends a point at every line break, even within a text, so the points have none.
	plain := strings.NewReplacer("\r", " ", "\n", " ")
	want := map[string]bool{}
	for version := 2; version <= 3; version++ {
		built := buildAll(t, sampleConfig(version)("http://"+address))
		for i, form := range []func(messages.AlertKind) messages.Alert{destinationtest.Complete, destinationtest.Hostile, destinationtest.Overlong} {
			a := form(messages.DistributeTaskSucceeded)
			a.Event.At = time.Now().Add(-time.Duration(10*(i+1)) * time.Minute)
			a.Event.LogMessage, a.Event.LogTimestamp = plain.Replace(a.Event.LogMessage), plain.Replace(a.Event.LogTimestamp)
			storeAll(t, built, []messages.Alert{a})
			want[cleanName(a.Event.TaskName)] = true
		}
	}
	_ = peertest.Get(t, "http://"+address+"/internal/force_flush")
	// Queries see flushed points a moment later.
	got := map[string]bool{}
	for deadline := time.Now().Add(15 * time.Second); len(got) < len(want) && time.Now().Before(deadline); {
		got = taskNames(t, address)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// taskNames returns the values of the tag task_name of one stored field.
func taskNames(t *testing.T, address string) map[string]bool {
	t.Helper()
	body := peertest.Get(t, "http://"+address+"/api/v1/series?start=-2h&match[]="+url.QueryEscape(`{__name__="distribute_task_success_task_executionDuration_sec"}`))
	var answer struct{ Data []map[string]string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, series := range answer.Data {
		out[series["task_name"]] = true
	}
	return out
}
