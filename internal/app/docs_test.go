package app_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/destination"
	"butler/internal/destination/all"
	"butler/internal/qlik"
	"butler/internal/udp"
	"butler/messages"
)

//go:generate go test -run TestDocs -count 1 . -update

// watched is what operators alert on, and what each number tells them.
var watched = map[string]string{
	"butler_journal_writable":                             "0 means that new events are refused and lost: check the disk at once.",
	"butler_journal_corrupt_records_total":                "Anything but 0 means that the disk has damaged what was stored.",
	"butler_journal_oldest_unprocessed_timestamp_seconds": "Its age is how late alerts are; 0 is good.",
	"butler_udp_packets_rejected_total":                   "`journal_unavailable` and `rate_limit` may be valid events, and nobody is notified of them; `source` is a sender that is not on your allow-list.",
	"butler_udp_kernel_dropped_packets_total":             "Growth means that the receive buffer is too small for the bursts of the site.",
	"butler_events_invalid_total":                         "Growth means that the log appender file of a node does not match.",
	"butler_node_last_event_timestamp_seconds":            "A node that falls behind the others has stopped reporting.",
	"butler_qrs_up":                                       "0 means that alerts are late and lack information.",
	"butler_enrichment_degraded_total":                    "Its share of the processed events says how often alerts lack information.",
	"butler_notifications_failed_total":                   "`auth_error` needs attention now; the other reasons go away when the destination recovers.",
	"butler_notification_queue_length":                    "A queue that does not shrink belongs to a destination that accepts nothing.",
	"butler_dead_letters":                                 "Anything but 0 needs your decision: `butler parked list`.",
	"butler_dead_letters_dropped_total":                   "Growth means lost alerts: nobody was notified of them, and nobody replayed or dropped them in time.",
	"butler_circuit_breaker_open":                         "1 means that calls to the target are paused because it fails.",
	"butler_notification_end_to_end_duration_seconds":     "Its upper quantiles are the latency that people notice: from the event to the accepted message.",
	"butler_actor_restarts_total":                         "Growth means that a part of the service fails and is restarted; the log says why.",
	"butler_actor_bugs_total":                             "Anything but 0 is a bug: please report it with the log.",
	"butler_executions_given_up_total":                    "Anything but 0 is an event that ended without a decision, and a bug.",
	"butler_monitor_last_success_timestamp_seconds":       "Its age says whether a monitor still works; compare it with its frequency.",
	"butler_windows_service_running":                      "0 means that somebody should start the service.",
	"butler_qlik_license_expiry_timestamp_seconds":        "Nobody can work in Qlik Sense when it has passed.",
	"butler_certificate_expiry_timestamp_seconds":         "When it has passed, the connections that use the certificate fail.",
	"butler_mqtt_messages_dropped_total":                  "Growth means lost events and starts: let the broker keep them, with `cleanSession: false`.",
	"butler_mqtt_connected":                               "0 means that messages to the broker wait.",
	"butler_component_up":                                 "0 for a monitor (`probe/...`) means that nothing is monitored in its place.",
	"butler_task_executions_total":                        "The share of `failed` shows trouble in the Qlik Sense site itself.",
	"butler_task_consecutive_failures":                    "For tasks with [metrics of their own](operations.md#watch-single-tasks): 3 or more means that somebody should look at the task.",
	"butler_task_last_success_timestamp_seconds":          "For the same tasks: its age is how old the data is.",
	"butler_task_series_limit_reached_total":              "Growth means that some of the chosen tasks have no metrics of their own.",
	"butler_cloud_events_total":                           "`refused` is an event that is not valid or not of your tenant; `busy` is an event that the sender has to send again because it could not be stored.",
	"butler_cloud_lookups_total":                          "`refused` needs attention: the token is not accepted or lacks permissions.",
	"butler_template_errors_total":                        "Growth means that a configured template cannot be used; for a template file the log says why.",
	"butler_distribute_tasks_abandoned_total":             "Distribute tasks that never ended: the site may be stuck.",
}

// open are labels whose values depend on the site; of all others the page lists the values.
var open = map[string]string{
	"node": "host names as nodes tell them, 200 at the most, then `other`; one without an event for a week makes room", "host": "hosts of the configuration",
	"receiver": "destination instances of the configuration", "target": "`qrs` and destination instances",
	"monitor": "monitors that are switched on, such as server_license", "component": "parts of the service, and `destination/` with destination instances", "shard": "00, 01, ...", "version": "", "revision": "", "goversion": "",
	"code": "HTTP statuses or their classes, `timeout`, `error`", "handler": "endpoints of the REST API, `none`", "service": "services of the configuration", "operation": "kinds of calls",
	"task_id": "tasks that `operations.taskMetrics` chooses", "task_name": "", "app_name": "",
}

func TestDocs_metricsPage(t *testing.T) {
	families := merged(familiesOf(t, worked(t).app), familiesOf(t, connected(t).app))
	var out strings.Builder
	out.WriteString(`# Metrics

Served in Prometheus' text format at ` + "`/metrics`" + ` of the operations server (` + "`operations.host`, `operations.port`" + `; by default
http://localhost:9997/metrics). No label contains a recipient. A label contains the ID or the name
of a task only for tasks that [you choose](operations.md#watch-single-tasks). The alert rules are in
[deploy/prometheus/alerts.yaml](../deploy/prometheus/alerts.yaml), and what to do about each in
[operations.md](operations.md#alert-rules). This page is generated from a running service.

## Numbers to watch

| Metric | What it tells |
|---|---|
`)
	known := map[string]family{}
	for _, f := range families {
		known[f.name] = f
		if sentence, ok := watched[f.name]; ok {
			fmt.Fprintf(&out, "| `%s` | %s |\n", f.name, sentence)
		}
	}
	for name := range watched {
		if known[name].name == "" {
			t.Errorf("want an existing metric among the watched, got %s", name)
		}
	}
	out.WriteString("\n## All metrics\n\nBeside these there are the usual `go_...`, `process_...` and `promhttp_...`.\n\n| Metric | Type | Labels | What it is |\n|---|---|---|---|\n")
	for _, f := range families {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", f.name, f.typ, labelsOf(f), strings.ReplaceAll(f.help, "|", `\|`))
	}
	golden(t, "docs/metrics.md", out.String())
}

// connected starts a service with what the others need not have: alerts to a broker,
// events of Qlik Cloud from another one, and a REST API over HTTPS.
func connected(t *testing.T) *site {
	t.Helper()
	s := siteOf(t)
	_, brokers := gatewayBroker(t, s)
	s.startApp(demo.Settings{
		InMemory: true, Off: demo.Destinations,
		Extra: fmt.Sprintf(restConfig, fmt.Sprintf(", tls: {enable: true, cert: %q, key: %q}", s.sim.Certificates().Client, s.sim.Certificates().ClientKey)) +
			brokers + watchedTenant,
	})
	s.untilMetric(`butler_notification_queue_length{integration="mqtt",receiver="mqtt/reload_task_failed"} 0`)
	return s
}

// merged returns the families of one service with the label values that another has as well.
func merged(families, more []family) []family {
	for _, f := range families {
		at := slices.IndexFunc(more, func(other family) bool { return other.name == f.name })
		if at < 0 {
			continue
		}
		for label, values := range more[at].labels {
			for _, v := range values {
				if !slices.Contains(f.labels[label], v) {
					f.labels[label] = append(f.labels[label], v)
				}
			}
		}
	}
	return families
}

// labelsOf names the labels of a family with their values.
func labelsOf(f family) string {
	var out []string
	for _, label := range f.labelNames() {
		text := "`" + label + "`"
		if note, isOpen := open[label]; !isOpen {
			text += ": " + strings.Join(slices.Sorted(slices.Values(f.labels[label])), ", ")
		} else if note != "" {
			text += ": " + note
		}
		out = append(out, text)
	}
	return strings.Join(out, "<br>")
}

// everything is the routing table of a configuration with every destination on.
func everything(t *testing.T) *destination.Table {
	t.Helper()
	cfg, err := config.Load(config.Options{Path: filepath.Join("testdata", "everything.yaml"), Schemas: app.Schemas()})
	must(t, err)
	table, err := app.Table(cfg, zap.NewNop())
	must(t, err)
	return table
}

func TestDocs_destinationsPage(t *testing.T) {
	carries := map[string]map[messages.AlertKind]bool{}
	for _, b := range everything(t).Built() {
		if carries[b.Instance.Integration] == nil {
			carries[b.Instance.Integration] = map[messages.AlertKind]bool{}
		}
		for _, kind := range b.Instance.Kinds {
			carries[b.Instance.Integration][kind] = true
		}
	}
	var out strings.Builder
	out.WriteString(`# Destinations

This table shows which event can go to which destination: ✔ through the destination's own section, → only through a route that you define
([routes.md](routes.md)). The page is generated from the routing table of a configuration in which everything is enabled. The page of each
destination, linked in the table header, describes what the destination sends and which keys it has.

| Event |`)
	definitions := all.Definitions()
	for _, d := range definitions {
		if len(carries[d.Name]) == 0 {
			t.Errorf("want the destination %s in the configuration with everything on", d.Name)
		}
		fmt.Fprintf(&out, " [%s](../internal/destination/%s/README.md) |", d.Name, d.Name)
	}
	out.WriteString("\n|---|" + strings.Repeat(":-:|", len(definitions)) + "\n")
	for _, kind := range slices.Concat(messages.AllKinds(), messages.MeasuredKinds()) {
		fmt.Fprintf(&out, "| %s |", strings.ReplaceAll(string(kind), "_", " "))
		for _, d := range definitions {
			mark := " "
			switch {
			case carries[d.Name][kind]:
				mark = " ✔ "
			case slices.Contains(d.RouteKinds, kind):
				mark = " → "
			}
			out.WriteString(mark + "|")
		}
		out.WriteString("\n")
	}
	out.WriteString("\nThese events are logged only and alert nobody: " +
		strings.Join(silent(), ", ") + ".\n\n| Destination | Section of the configuration |\n|---|---|\n")
	for _, d := range definitions {
		fmt.Fprintf(&out, "| %s | `%s` |\n", d.Name, d.Section)
	}
	out.WriteString(`
Every destination instance, such as ` + "`email/reload_task_failed`" + `, has its own queue, pace, retries and circuit breaker. Their keys are in
the section ` + "`delivery`" + ` ([configuration.md](configuration.md#delivery)). Messages that cannot be delivered are parked:
[operations.md](operations.md#parked-messages).
`)
	golden(t, "docs/destinations.md", out.String())
}

// silent lists the events of tasks that no alert belongs to.
func silent() []string {
	var out []string
	for _, f := range []messages.Family{messages.FamilyFailed, messages.FamilyAborted, messages.FamilySucceeded} {
		for _, typ := range qlik.TaskTypes() {
			if messages.KindOf(f, typ) == "" {
				out = append(out, strings.ReplaceAll(typ.String(), "_", " ")+" task "+f.String())
			}
		}
	}
	return append(out, "reload failure seen by the engine")
}

// keyTables is the part of docs/configuration.md that is generated.
var keyTables = regexp.MustCompile(`(?s)(<!-- keys: generated -->\n).*(<!-- end of keys -->)`)

func TestDocs_configurationPage(t *testing.T) {
	keys, err := config.Keys(nil)
	must(t, err)
	var tables strings.Builder
	section := "-"
	for _, k := range keys {
		if k.Section != section {
			section = k.Section
			title := section
			if title == "" {
				title = "Log and others"
			}
			fmt.Fprintf(&tables, "\n### %s\n\n| Key | Default | Meaning |\n|---|---|---|\n", title)
		}
		value := "`" + strings.ReplaceAll(k.Default, "|", `\|`) + "`"
		if k.Default == "" || k.Default == `""` {
			value = ""
		}
		fmt.Fprintf(&tables, "| `%s` | %s | %s |\n", k.Path, value, strings.ReplaceAll(k.Doc, "|", `\|`))
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	must(t, err)
	if !keyTables.Match(page) {
		t.Fatal("want the marks of the generated part in docs/configuration.md")
	}
	golden(t, "docs/configuration.md", keyTables.ReplaceAllString(string(page), "${1}"+strings.ReplaceAll(tables.String(), "$", "$$")+"\n${2}"))
}

// restartRow is the row of docs/operations.md about keys that take effect only after a
// restart. Its first cell is generated.
var restartRow = regexp.MustCompile(`(?m)^\|[^|]*\| Listed as .needsRestart.`)

func TestDocs_theHandbookNamesWhatNeedsARestart(t *testing.T) {
	keys, err := config.Keys(app.Schemas())
	must(t, err)
	reloaded := map[string]bool{} // sections with a key that a reload changes
	for _, k := range keys {
		reloaded[k.Section] = reloaded[k.Section] || !k.Restart
	}
	var names []string
	for _, k := range keys {
		name := "`" + k.Path + "`"
		if !reloaded[k.Section] {
			name = "`" + k.Section + "`"
		}
		if k.Restart && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	must(t, err)
	if len(restartRow.FindAll(page, -1)) != 1 {
		t.Fatal("want one row in docs/operations.md about the keys that need a restart")
	}
	row := "| " + strings.Join(names, ", ") + " | Listed as `needsRestart`"
	golden(t, "docs/operations.md", restartRow.ReplaceAllLiteralString(string(page), row))
}

func TestDocs_theHandbookShowsTheAppenderFileAsItIs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	must(t, err)
	_, rest, _ := strings.Cut(string(page), "$ head -26 LocalLogConfig.xml\n")
	shown, _, found := strings.Cut(rest, "```")
	file, err := udp.AppenderXML("10.0.0.5", 9998, udp.AppendersAll)
	must(t, err)
	if !found || strings.Count(shown, "\n") != 26 || !strings.HasPrefix(string(file), shown) {
		t.Errorf("want the first 26 lines of the appender file in docs/operations.md, got\n%s", shown)
	}
}

func TestDocs_everyAlertRuleHasItsPlaceInTheHandbook(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
		must(t, err)
		return string(text)
	}
	rules, tests, handbook := read("deploy/prometheus/alerts.yaml"), read("deploy/prometheus/alerts_test.yaml"), read("docs/operations.md")
	names := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(names) == 0 {
		t.Fatal("want alert rules, got none")
	}
	for _, m := range names {
		if !strings.Contains(handbook, "\n#### "+m[1]+"\n") {
			t.Errorf("want a paragraph about %s in docs/operations.md", m[1])
		}
		if !strings.Contains(rules, "runbook_url: docs/operations.md#"+strings.ToLower(m[1])+"\n") {
			t.Errorf("want %s to lead to its paragraph", m[1])
		}
		if !strings.Contains(tests, `"`+m[1]+`"`) {
			t.Errorf("want a unit test of %s", m[1])
		}
	}
	known, values := map[string]bool{}, map[string]bool{}
	for _, f := range familiesOf(t, worked(t).app) {
		known[f.name] = true
		for label, of := range maps.All(f.labels) {
			for _, v := range of {
				values[label+"="+v] = true
			}
		}
	}
	for _, name := range regexp.MustCompile(`butler_\w+`).FindAllString(rules+handbook, -1) {
		if !known[strings.TrimSuffix(name, "_bucket")] && !strings.HasPrefix(name, "butler_YYYY") {
			t.Errorf("want existing metrics in the rules and the handbook, got %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`(reason|outcome|result|state|code)=~?"([^"]+)"`).FindAllStringSubmatch(rules, -1) {
		for v := range strings.SplitSeq(m[2], "|") {
			if !values[m[1]+"="+v] {
				t.Errorf("want existing label values in the rules, got %s=%s", m[1], v)
			}
		}
	}
}
